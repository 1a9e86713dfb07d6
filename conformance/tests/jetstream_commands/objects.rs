//! `firn object`.

use std::fs;

use serde_json::{Value, json};

use crate::rig::{Rig, suite};

/// Several chunks, the last one not full.
fn content() -> Vec<u8> {
    (0..1_000_000_u32).map(|number| u8::try_from(number.wrapping_mul(2_654_435_761) >> 24).unwrap()).collect()
}

#[test]
fn buckets_of_objects() {
    suite("firn object", |rig| {
        made(rig);
        put_and_got(rig);
        damaged(rig);
        listed_and_watched(rig);
        gone(rig);
    });
}

fn made(rig: &Rig) {
    let made = rig.json("object add o --ttl 1d --max-bucket-size 100MB --storage memory --description files");
    assert_eq!((&made["config"]["name"], &made["config"]["storage"]), (&json!("OBJ_o"), &json!("memory")));
    rig.run("object info o").showed(&["Bucket o created 20", "Maximum Age: 1d\n"]);
    assert_eq!(rig.json("object ls"), json!(["o"]));
    rig.run("object ls").showed(&["Bucket  Description", "\no       files"]);
    rig.run("object add a.b").failed_with(&["a bucket is named by letters"]);
    rig.run("object ls none").failed_with(&["stream not found (code 404, error code 10059)", "firn object ls"]);
}

fn put_and_got(rig: &Rig) {
    fs::write(rig.path("file"), content()).unwrap();
    let put = rig.json("object put o file --name a/b.bin --description 'some bytes' -H 'K: v'");
    assert_eq!((&put["size"], &put["name"]), (&json!(1_000_000), &json!("a/b.bin")));
    rig.run("object info o a/b.bin").showed(&[
        "Object a/b.bin of bucket o\n",
        "Header: K: v\n",
        "Description: some bytes\n",
    ]);
    assert_eq!(rig.json("object info o a/b.bin")["digest"], put["digest"]);

    rig.run("object get o a/b.bin").succeeded();
    assert!(fs::read(rig.path("b.bin")).unwrap() == content(), "the file has the bytes");
    rig.run("object get o a/b.bin").failed_with(&["Replace file b.bin? --force says yes"]);
    rig.run("object get o a/b.bin -O other").succeeded();
    rig.run("object get o a/b.bin -O other -f --no-progress").succeeded();
    assert!(fs::read(rig.path("other")).unwrap() == content(), "the file has the bytes");

    rig.run_with("object put o --name text", b"hello").showed(&["Size: 5 B\n", "Chunks: 1\n"]);
    assert_eq!(rig.run("object get o text -O -").succeeded().stdout, "hello");
    rig.run_with("object put o --name text", b"again")
        .failed_with(&["Replace object text of bucket o? --force says yes"]);
    rig.run_with("object put o --name text --force", b"again").succeeded();
    assert_eq!(rig.run("object get o text -O -").succeeded().stdout, "again");
    rig.run_with("object put o --name empty", b"").succeeded();
    assert_eq!(rig.run("object get o empty -O -").succeeded().stdout, "");
    rig.run("object put o missing").failed_with(&["cannot read missing"]);
    rig.run("object get o none").failed_with(&["object none of bucket o"]);
}

/// An object of which the server has not all leaves no file.
fn damaged(rig: &Rig) {
    let put = rig.json("object put o file --name whole");
    let chunks = format!("$O.o.C.{}", put["nuid"].as_str().unwrap());
    let last = rig.json(&format!("stream get OBJ_o --last-for {chunks}"));
    rig.run(&format!("stream rmm OBJ_o {} -f", last["seq"])).succeeded();
    rig.run("object get o whole -O damaged --timeout 1s").failed_with(&["firn: error: "]);
    let left: Vec<_> = fs::read_dir(rig.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_str().unwrap().starts_with("damaged")), "{left:?}");
    rig.run("object rm o whole -f").succeeded();
}

fn listed_and_watched(rig: &Rig) {
    assert_eq!(rig.run("object ls o --names").succeeded().stdout, "a/b.bin\nempty\ntext\n");
    rig.run("object ls o").showed(&["Name          Size  Time\na/b.bin  976.6 KiB  20"]);
    assert_eq!(rig.json("object ls o")[2]["name"], "text");
    let watch = rig.background("object watch o --updates --count 2", "Watching bucket o");
    rig.run_with("object put o --name new", b"x").succeeded();
    rig.run("object rm o new --force").succeeded();
    let shown = watch.ended().succeeded().stdout;
    assert!(shown.contains("PUT o > new: 1 B in 1 chunks\n") && shown.ends_with("DEL o > new\n"), "{shown}");
    let shown = rig.run("object watch o --json --count 1").succeeded().stdout;
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()["name"], "a/b.bin");
}

fn gone(rig: &Rig) {
    rig.run("object rm o text").failed_with(&["Delete object text of bucket o? --force says yes"]);
    rig.run("object rm o text --force").succeeded();
    rig.run("object rm o text --force").failed_with(&["is deleted already"]);
    rig.run("object get o text").failed_with(&["object text of bucket o"]);
    rig.run("object rm o --force").succeeded();
    assert_eq!(rig.json("object ls"), json!([]));
}

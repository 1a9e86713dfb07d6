//! Which file an `include` means. Names only; the bytes come from the `Source`.
//!
//! The name is always joined to the folder of the including file, even if it begins with a slash, and the result is
//! cleaned of `.`, `..` and doubled slashes without asking the file system.

/// The path of `name` as seen from the file `from`; an empty `from` is the working directory.
pub(crate) fn beside(from: &str, name: &str) -> String {
    let folder = from.rfind('/').map_or("", |slash| from.get(..=slash).unwrap_or_default());
    clean(&format!("{folder}/{name}"), folder.starts_with('/'))
}

fn clean(path: &str, is_rooted: bool) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if is_rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (is_rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::beside;

    #[test]
    fn names_are_joined_to_the_folder_of_the_including_file() {
        let check = |from: &str, name: &str, expected: &str| assert_eq!(beside(from, name), expected);
        check("server.conf", "users.conf", "users.conf");
        check("./server.conf", "users.conf", "users.conf");
        check("conf/server.conf", "./users.conf", "conf/users.conf");
        check("conf/server.conf", "../users.conf", "users.conf");
        check("conf/server.conf", "../../users.conf", "../users.conf");
        check("/etc/nats/server.conf", "/tmp/users.conf", "/etc/nats/tmp/users.conf");
        check("/server.conf", "../../users.conf", "/users.conf");
        check("", "users.conf", "users.conf");
        check("conf/server.conf", "", "conf");
    }
}

//! The help of `firn server`: nats-server's headings and columns, filled from the table of flags.

use super::flags::SECTIONS;

/// Where the right column begins.
const RIGHT: usize = 37;

/// What `-h` prints, and every error about flags is followed by.
pub(crate) fn usage() -> String {
    let mut usage = String::from("\nUsage: nats-server [options]\n");
    for (title, rows) in SECTIONS {
        usage.push_str(&format!("\n{title}:\n"));
        for row in rows {
            let left = format!("    {}", row.shown);
            let (above, left) = match left.rsplit_once('\n') {
                Some((above, left)) => (format!("{above}\n"), left),
                None => (String::new(), left.as_str()),
            };
            let help = row.help.replace('\n', &format!("\n{:RIGHT$}", ""));
            usage.push_str(&format!("{above}{left:<RIGHT$}{help}\n"));
        }
    }
    usage.push_str("\nTo judge a server that runs: firn server check connection\n\n");
    usage
}

/// What `-help_tls` prints.
pub(crate) const TLS: &str = include_str!("help_tls.txt");

#[cfg(test)]
mod tests {
    //! The help as people see it.

    #[test]
    fn help_is_as_committed() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/help_server.txt");
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(path, super::usage()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap();
        assert_eq!(super::usage(), committed, "UPDATE_SNAPSHOTS=1 writes the new text");
    }
}

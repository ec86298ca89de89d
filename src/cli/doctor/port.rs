//! Who has a port, as Linux tells: the table of sockets names a number, and some process has it open. Elsewhere, and of
//! other users' processes, nobody knows.

use std::fs;

/// The state of a socket that is listened on.
const LISTENS: &str = "0A";

/// Name and number of the process that listens on a port of this machine.
pub fn holder(port: u16) -> Option<(String, u32)> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let tables = tables.iter().filter_map(|it| fs::read_to_string(it).ok());
    let sockets: Vec<String> = tables.flat_map(|it| sockets(&it, port)).collect();
    if sockets.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes
        .filter_map(|it| it.file_name().to_str()?.parse::<u32>().ok())
        .find(|id| has_open(*id, &sockets))
        .map(|id| {
            let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
            (name.trim().to_owned(), id)
        })
}

/// What links to the sockets that listen on `port` look like.
fn sockets(table: &str, port: u16) -> Vec<String> {
    let wanted = format!(":{port:04X}");
    let line = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let listens = columns.get(3) == Some(&LISTENS);
        let here = columns.get(1).is_some_and(|it| it.ends_with(&wanted));
        let number = columns.get(9).filter(|_| listens && here)?;
        Some(format!("socket:[{number}]"))
    };
    table.lines().skip(1).filter_map(line).collect()
}

fn has_open(id: u32, sockets: &[String]) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{id}/fd")) else {
        return false;
    };
    let mut links = files
        .flatten()
        .filter_map(|it| fs::read_link(it.path()).ok());
    links.any(|it| {
        it.to_str()
            .is_some_and(|it| sockets.iter().any(|s| s == it))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_sockets_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                       0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n\
                       1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n";
        assert_eq!(sockets(table, 8080), ["socket:[4711]"]);
        assert!(sockets(table, 80).is_empty());
        assert!(sockets("", 80).is_empty());
    }
}

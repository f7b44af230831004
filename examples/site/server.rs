//! Serves the files of the folder in which it is started: a small web server in one static program.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};

fn main() -> io::Result<()> {
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(8080);
    let listener = TcpListener::bind(("0.0.0.0", port))?;
    println!("serving {} on port {port}", std::env::current_dir()?.display());
    for connection in listener.incoming() {
        let connection = connection?;
        // A client that closes its connection must not end the server.
        std::thread::spawn(move || drop(answer(&connection)));
    }
    Ok(())
}

fn answer(mut connection: &TcpStream) -> io::Result<()> {
    connection.set_read_timeout(Some(std::time::Duration::from_secs(10)))?;
    let mut line = String::new();
    BufReader::new(connection).read_line(&mut line)?;
    let mut words = line.split(' ');
    let (status, kind, body) = match (words.next(), words.next().and_then(wanted)) {
        (Some("GET"), Some(path)) => match fs::read(&path) {
            Ok(body) => ("200 OK", kind(&path), body),
            Err(_) => ("404 Not Found", "text/plain", b"not found\n".to_vec()),
        },
        _ => ("400 Bad Request", "text/plain", b"bad request\n".to_vec()),
    };
    write!(connection, "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    connection.write_all(&body)
}

/// Returns the file for the path of a URL, and nothing for a path outside the folder.
fn wanted(target: &str) -> Option<PathBuf> {
    let path = target.split(['?', '#']).next()?.trim_start_matches('/');
    let path = Path::new(if path.is_empty() { "index.html" } else { path });
    path.components().all(|part| matches!(part, Component::Normal(_))).then(|| path.to_owned())
}

fn kind(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

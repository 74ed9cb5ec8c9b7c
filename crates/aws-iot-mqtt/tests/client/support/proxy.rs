//! An HTTP proxy for one connection.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::mpsc;
use std::thread;

use super::server::plain;

/// Answers with that head; where it says 200, opens the tunnel to the port that was asked for, on this machine
/// whatever the host's name. Tells what it was asked.
pub(crate) fn proxy(head: &'static str) -> (u16, mpsc::Receiver<Vec<String>>) {
    proxy_to(None, head)
}

/// The same; a tunnel goes to `target`, whatever port was asked for.
pub(crate) fn proxy_to(target: Option<u16>, head: &'static str) -> (u16, mpsc::Receiver<Vec<String>>) {
    let (asked, asks) = mpsc::channel();
    let port = plain(move |mut client| {
        let reader = BufReader::new(client.try_clone().unwrap());
        let request: Vec<String> =
            reader.lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
        let asked_for = request[0].split(' ').nth(1).unwrap().rsplit(':').next().unwrap().parse().unwrap();
        let target = target.unwrap_or(asked_for);
        asked.send(request).unwrap();
        client.write_all(head.as_bytes()).unwrap();
        if head.contains(" 200 ") {
            tunnel(client, target);
        }
    });
    (port, asks)
}

fn tunnel(client: TcpStream, target: u16) {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).unwrap();
    let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(move || std::io::copy(&mut from_server, &mut to_client));
    let (mut from_client, mut to_server) = (client, server);
    // Ends with either of them.
    let _ = std::io::copy(&mut from_client, &mut to_server);
}

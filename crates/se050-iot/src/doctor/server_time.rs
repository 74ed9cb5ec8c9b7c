//! The server's own time: the Date of its answer to an HTTPS request (RFC 9110, section 6.6.1). AWS IoT Core answers HTTPS on
//! port 443 of the same endpoint (AWS IoT Core developer guide, "Device communication protocols").

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_iot_mqtt::rustls::crypto::ring;
use aws_iot_mqtt::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use aws_iot_mqtt::rustls::time_provider::TimeProvider;
use aws_iot_mqtt::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use se050_key::Certificate;

use super::verifier::Verifier;

/// For the connection, and for each read and write.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most that is read of an answer.
const MOST_BYTES: u64 = 16 * 1024;

/// Asks the server. Its certificate is verified, but for the dates: a clock that is wrong is what is looked for.
pub(super) fn ask(endpoint: &str, address: SocketAddr, roots: RootCertStore) -> Result<SystemTime, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new(roots, Arc::clone(&provider), at_its_own_time);
    let verifier = Arc::new(verifier.map_err(|error| words(&error))?);
    let config = ClientConfig::builder_with_details(provider, Arc::new(Since1970));
    let config = config.with_safe_default_protocol_versions();
    let config = config.map_err(|error| words(&error))?;
    let config = config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    let name = ServerName::try_from(endpoint.to_owned()).map_err(|error| words(&error))?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(|error| words(&error))?;
    let socket = connect(address).map_err(|error| words(&error))?;
    let mut stream = StreamOwned::new(connection, socket);
    date_of_answer(&mut stream, endpoint).map_err(|error| words(&error))
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn date_of_answer(stream: &mut (impl io::Read + io::Write), endpoint: &str) -> io::Result<SystemTime> {
    let agent =
        concat!("se050-iot/", env!("CARGO_PKG_VERSION"), " (doctor: asks for the server's time only)");
    write!(
        stream,
        "HEAD / HTTP/1.1\r\nHost: {endpoint}\r\nUser-Agent: {agent}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    )?;
    stream.flush()?;
    let mut lines = BufReader::new(stream.take(MOST_BYTES));
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 && !line.trim().is_empty() {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("date")
        {
            let wrong = || io::Error::new(io::ErrorKind::InvalidData, format!("no date: {}", value.trim()));
            return httpdate::parse_http_date(value.trim()).map_err(|_| wrong());
        }
        line.clear();
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "an answer without a date"))
}

/// The device's clock, but never before 1970: rustls' own `UnixTime::now` panics over such a clock.
#[derive(Debug)]
struct Since1970;

impl TimeProvider for Since1970 {
    fn current_time(&self) -> Option<UnixTime> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Some(UnixTime::since_unix_epoch(since))
    }
}

/// A time when the certificate is valid: now, or else its first day.
fn at_its_own_time(end_entity: &CertificateDer<'_>, _: &[CertificateDer<'_>], now: UnixTime) -> UnixTime {
    let Ok(certificate) = Certificate::from_bytes(end_entity, "the server") else { return now };
    let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (from, until) =
        (since(certificate.not_before().system_time()), since(certificate.not_after().system_time()));
    if (from.as_secs()..=until.as_secs()).contains(&now.as_secs()) {
        now
    } else {
        UnixTime::since_unix_epoch(from + Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read, Write, sink};

    use super::*;

    /// Takes any request, and gives one answer.
    struct Server(Cursor<String>);

    impl Read for Server {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Server {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            sink().write(buffer)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_date_as_http_has_it_is_read() {
        let told = |date: &str| {
            let answer = format!("HTTP/1.1 403 Forbidden\r\nServer: x\r\nDate: {date}\r\n\r\n");
            date_of_answer(&mut Server(Cursor::new(answer)), "localhost").ok()
        };
        // The example of RFC 9110; date -u -d '1994-11-06 08:49:37' +%s
        let time = told("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(time, SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777));
        for wrong in
            ["", "now", "Sun, 06 Nov", "Sun, 32 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT"]
        {
            assert_eq!(told(wrong), None, "{wrong:?}");
        }
    }
}

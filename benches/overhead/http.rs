//! As much HTTP/1.1 as a mock upstream and a load generator need, blocking, with the reads counted.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail, ensure};

/// Longer silence than this means that somebody hangs.
const PATIENCE: Duration = Duration::from_secs(30);
const READ_BUFFER_BYTES: usize = 256 * 1024;
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// One connection, of either side.
pub struct Connection {
    reader: BufReader<Counting>,
    line: Vec<u8>,
}

/// What both sides look at in a head.
pub struct Head {
    /// The first line.
    pub first: String,
    framing: Framing,
}

enum Framing {
    Length(usize),
    Chunked,
}

struct Counting {
    stream: TcpStream,
    reads: u64,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.reads += 1;
        self.stream.read(buffer)
    }
}

impl Connection {
    /// Connects to a loopback port.
    pub fn open(port: u16) -> anyhow::Result<Self> {
        Connection::new(TcpStream::connect((Ipv4Addr::LOCALHOST, port))?)
    }

    /// Takes over an accepted connection.
    pub fn new(stream: TcpStream) -> anyhow::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let counting = Counting { stream, reads: 0 };
        Ok(Connection {
            reader: BufReader::with_capacity(READ_BUFFER_BYTES, counting),
            line: Vec::new(),
        })
    }

    /// How often the socket was read so far.
    pub fn reads(&self) -> u64 {
        self.reader.get_ref().reads
    }

    /// Writes, as one write if the socket takes it.
    pub fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.reader.get_mut().stream.write_all(bytes)
    }

    /// Reads a head; `None` when the other side closed.
    pub fn read_head(&mut self) -> anyhow::Result<Option<Head>> {
        if !self.read_line()? {
            return Ok(None);
        }
        let first = String::from_utf8_lossy(&self.line).into_owned();
        let mut framing = Framing::Length(0);
        loop {
            ensure!(self.read_line()?, "closed inside a head");
            let line = std::str::from_utf8(&self.line)?;
            let Some((name, value)) = line.split_once(':') else {
                ensure!(line.is_empty(), "not a header: {line}");
                return Ok(Some(Head { first, framing }));
            };
            if name.eq_ignore_ascii_case("content-length") {
                framing = Framing::Length(value.trim().parse()?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                framing = Framing::Chunked;
            }
        }
    }

    /// Reads the body that belongs to a head and appends it to `out`.
    pub fn read_body(&mut self, head: &Head, out: &mut Vec<u8>) -> anyhow::Result<()> {
        match head.framing {
            Framing::Length(length) => self.read_exactly(length, out),
            Framing::Chunked => loop {
                ensure!(self.read_line()?, "closed between chunks");
                let digits = std::str::from_utf8(&self.line)?;
                let length = usize::from_str_radix(digits, 16).context("chunk size")?;
                self.read_exactly(length, out)?;
                ensure!(self.read_line()? && self.line.is_empty(), "chunk end");
                if length == 0 {
                    return Ok(());
                }
            },
        }
    }

    fn read_exactly(&mut self, mut length: usize, out: &mut Vec<u8>) -> anyhow::Result<()> {
        while length > 0 {
            let buffered = self.reader.fill_buf()?;
            if buffered.is_empty() {
                bail!("closed {length} bytes before the end of a body");
            }
            let taken = buffered.len().min(length);
            out.extend_from_slice(&buffered[..taken]);
            self.reader.consume(taken);
            length -= taken;
        }
        Ok(())
    }

    /// Reads a line into `self.line`, without its end. `false` when the other side closed before it.
    fn read_line(&mut self) -> anyhow::Result<bool> {
        self.line.clear();
        let mut limited = (&mut self.reader).take(MAX_LINE_BYTES);
        if limited.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(false);
        }
        ensure!(self.line.ends_with(b"\r\n"), "line without an end");
        self.line.truncate(self.line.len() - 2);
        Ok(true)
    }
}

//! Compressed request bodies: undone as they come, never beyond a bound. Providers are sent what was in them.

use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};
use http::header::HeaderMap;
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder};
use zstd::stream::zio;

use crate::error::{Fault, FaultKind};

/// What bodies may be compressed with, as `accept-encoding` says it to clients that used something else.
pub const ACCEPTED: &str = "gzip, deflate, br, zstd";
/// Bytes that are decompressed at a time.
const STEP: usize = 16 * 1024;
/// zlib's window: 2^15 bytes, the largest it has.
const ZLIB_WINDOW_BITS: u8 = 15;
/// Bytes that Brotli is given to work in, besides its window of 16 MiB at most.
const WORKSPACE: usize = 8 * 1024;
/// Largest window of Zstandard: 8 MiB, as RFC 9659 has it. Its own limit is sixteen times that.
const ZSTD_WINDOW_LOG: u32 = 23;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`.
    Gzip,
    /// `deflate`, in its zlib envelope.
    Deflate,
    /// `br`.
    Brotli,
    /// `zstd`.
    Zstd,
}

impl Coding {
    /// What the headers say; `None` for a body that is as it is.
    pub fn of(headers: &HeaderMap) -> Result<Option<Coding>, Fault> {
        let mut lines = headers.get_all("content-encoding").into_iter();
        let Some(line) = lines.next() else {
            return Ok(None);
        };
        let word = line.as_bytes().trim_ascii().to_ascii_lowercase();
        match word.as_slice() {
            _ if lines.next().is_some() => Err(unknown()),
            b"" | b"identity" => Ok(None),
            b"gzip" | b"x-gzip" => Ok(Some(Coding::Gzip)),
            b"deflate" => Ok(Some(Coding::Deflate)),
            b"br" => Ok(Some(Coding::Brotli)),
            b"zstd" => Ok(Some(Coding::Zstd)),
            _ => Err(unknown()),
        }
    }
}

fn unknown() -> Fault {
    let text = format!("content-encoding: request bodies may be compressed once, with {ACCEPTED}");
    Fault::new(FaultKind::UnsupportedCoding, text)
}

/// A body that is being undone.
pub struct Inflate {
    limit: usize,
    inner: Inner,
}

/// Boxed: their workspaces are large.
enum Inner {
    Zlib(Box<Zlib>),
    Brotli(Box<DecompressorWriter<Bounded>>),
    Zstd(Box<zio::Writer<Bounded, ZstdDecoder<'static>>>),
}

impl Inflate {
    /// Nothing has come yet; what is in the body may be `limit` bytes long.
    pub fn new(coding: Coding, limit: usize) -> Result<Self, Fault> {
        let sink = Bounded {
            bytes: Vec::new(),
            limit,
        };
        let inner = match coding {
            Coding::Gzip => Inner::Zlib(Box::new(Zlib::new(
                Decompress::new_gzip(ZLIB_WINDOW_BITS),
                sink,
            ))),
            Coding::Deflate => Inner::Zlib(Box::new(Zlib::new(Decompress::new(true), sink))),
            Coding::Brotli => Inner::Brotli(Box::new(DecompressorWriter::new(sink, WORKSPACE))),
            Coding::Zstd => {
                let decoder = || {
                    let mut decoder = ZstdDecoder::new()?;
                    decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG))?;
                    io::Result::Ok(decoder)
                };
                let decoder = decoder().map_err(Fault::internal)?;
                Inner::Zstd(Box::new(zio::Writer::new(sink, decoder)))
            }
        };
        Ok(Inflate { limit, inner })
    }

    /// Takes a piece of the compressed body. Gives how much is undone so far.
    pub fn push(&mut self, piece: &[u8]) -> Result<usize, Fault> {
        let written = match &mut self.inner {
            Inner::Zlib(decoder) => decoder.push(piece),
            Inner::Brotli(decoder) => decoder.write_all(piece),
            Inner::Zstd(decoder) => decoder.write_all(piece),
        };
        written.map_err(|error| self.fault(&error))?;
        Ok(self.sink().bytes.len())
    }

    /// The compressed body has ended. Gives what was in it.
    pub fn finish(mut self) -> Result<Bytes, Fault> {
        let finished = match &mut self.inner {
            Inner::Zlib(decoder) if decoder.has_ended => Ok(()),
            Inner::Zlib(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            Inner::Brotli(decoder) => decoder.close(),
            Inner::Zstd(decoder) => decoder.finish(),
        };
        finished.map_err(|error| self.fault(&error))?;
        Ok(Bytes::from(std::mem::take(&mut self.sink().bytes)))
    }

    fn sink(&mut self) -> &mut Bounded {
        match &mut self.inner {
            Inner::Zlib(decoder) => &mut decoder.sink,
            Inner::Brotli(decoder) => decoder.get_mut(),
            Inner::Zstd(decoder) => decoder.writer_mut(),
        }
    }

    fn fault(&self, error: &io::Error) -> Fault {
        if error.kind() == io::ErrorKind::FileTooLarge {
            let text = format!(
                "the request body is longer than {} bytes once it is decompressed",
                self.limit
            );
            return Fault::new(FaultKind::TooLarge, text);
        }
        let text = "content-encoding: the request body cannot be decompressed";
        Fault::new(FaultKind::InvalidRequest, text).with_source(error)
    }
}

/// gzip and deflate. flate2's own writers are content with a body that is cut.
struct Zlib {
    stream: Decompress,
    sink: Bounded,
    /// With its checksum.
    has_ended: bool,
    workspace: Vec<u8>,
}

impl Zlib {
    fn new(stream: Decompress, sink: Bounded) -> Self {
        Zlib {
            stream,
            sink,
            has_ended: false,
            workspace: vec![0; STEP],
        }
    }

    fn push(&mut self, mut piece: &[u8]) -> io::Result<()> {
        loop {
            if self.has_ended {
                // Another body in the same one is nothing that a client of ours sends.
                return if piece.is_empty() {
                    Ok(())
                } else {
                    Err(io::ErrorKind::InvalidData.into())
                };
            }
            let (read, written) = (self.stream.total_in(), self.stream.total_out());
            let status =
                self.stream
                    .decompress(piece, &mut self.workspace, FlushDecompress::None)?;
            self.has_ended = status == Status::StreamEnd;
            let read = usize::try_from(self.stream.total_in() - read).unwrap_or(usize::MAX);
            let written = usize::try_from(self.stream.total_out() - written).unwrap_or(usize::MAX);
            piece = piece.get(read..).unwrap_or_default();
            self.sink
                .write_all(self.workspace.get(..written).unwrap_or_default())?;
            let is_full = written == self.workspace.len();
            if !self.has_ended && !is_full && (piece.is_empty() || read == 0) {
                return if piece.is_empty() {
                    Ok(())
                } else {
                    Err(io::ErrorKind::InvalidData.into())
                };
            }
        }
    }
}

/// Takes so many bytes and no more.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
}

impl Write for Bounded {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.limit - self.bytes.len() < piece.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn squeezed(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        match coding {
            Coding::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Coding::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Coding::Zstd => zstd::encode_all(bytes, 3).unwrap(),
            Coding::Brotli => stored(bytes),
        }
    }

    /// A Brotli stream of uncompressed blocks (RFC 7932 §9.2): there is no compressor for it here.
    fn stored(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        // WBITS 16 is one zero bit, before the first block's head.
        let mut bits: (u64, u32) = (0, 1);
        for block in bytes.chunks(1 << 16) {
            // ISLAST 0, MNIBBLES 4, MLEN - 1, ISUNCOMPRESSED 1.
            let head = (((block.len() - 1) as u64) << 3) | (1 << 19);
            bits.0 |= head << bits.1;
            bits.1 += 20;
            while 0 < bits.1 {
                out.push(u8::try_from(bits.0 & 0xff).unwrap());
                bits = (bits.0 >> 8, bits.1.saturating_sub(8));
            }
            out.extend_from_slice(block);
            bits = (0, 0);
        }
        // ISLAST 1, ISLASTEMPTY 1.
        out.push(u8::try_from((3_u64 << bits.1) | bits.0).unwrap());
        out
    }

    fn inflated(coding: Coding, bytes: &[u8], step: usize, limit: usize) -> Result<Bytes, Fault> {
        let mut inflate = Inflate::new(coding, limit)?;
        for piece in bytes.chunks(step) {
            inflate.push(piece)?;
        }
        inflate.finish()
    }

    const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

    #[test]
    fn bombs_end_at_the_limit() {
        for coding in ALL {
            let bomb = squeezed(coding, &vec![b' '; 3_000_000]);
            let fault = inflated(coding, &bomb, 65_536, 1_000_000).unwrap_err();
            assert_eq!(fault.kind, FaultKind::TooLarge, "{coding:?}");
            let whole = inflated(coding, &bomb, 65_536, 3_000_000).unwrap();
            assert_eq!(whole.len(), 3_000_000, "{coding:?}");
        }
    }

    #[test]
    fn what_is_cut_or_spoilt_or_has_more_behind_it_is_refused() {
        let text = br#"{"hello":"hello"}"#.repeat(50);
        for coding in ALL {
            let good = squeezed(coding, &text);
            let spoilt: Vec<u8> = good.iter().map(|byte| byte ^ 0x5a).collect();
            let cut = &good[..good.len() - 1];
            for bad in [&spoilt[..], cut, b"{}", b""] {
                let fault = inflated(coding, bad, 7, 1_000_000).unwrap_err();
                assert_eq!(fault.kind, FaultKind::InvalidRequest, "{coding:?} {bad:?}");
            }
            let behind = [&good[..], b"and more"].concat();
            let fault = inflated(coding, &behind, 7, 1_000_000).unwrap_err();
            assert_eq!(fault.kind, FaultKind::InvalidRequest, "{coding:?}");
        }
    }

    #[test]
    fn a_window_beyond_the_bound_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(24).unwrap();
        encoder.write_all(&vec![1; 20 << 20]).unwrap();
        let bytes = encoder.finish().unwrap();
        let fault = inflated(Coding::Zstd, &bytes, 4096, 64 << 20).unwrap_err();
        assert_eq!(fault.kind, FaultKind::InvalidRequest);
    }

    #[test]
    fn codings_are_known_by_their_names() {
        let of = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("content-encoding", HeaderValue::from_static(line));
            }
            Coding::of(&headers).map_err(|fault| fault.kind)
        };
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&["identity"]), Ok(None));
        assert_eq!(of(&["GZip "]), Ok(Some(Coding::Gzip)));
        assert_eq!(of(&["zstd"]), Ok(Some(Coding::Zstd)));
        for lines in [&["gzip, gzip"][..], &["gzip", "gzip"], &["compress"]] {
            assert_eq!(of(lines), Err(FaultKind::UnsupportedCoding), "{lines:?}");
        }
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_bytes(
            bytes in proptest::collection::vec(any::<u8>(), 1..3000),
            step in 1_usize..200,
        ) {
            for coding in ALL {
                let squeezed = squeezed(coding, &bytes);
                let got = inflated(coding, &squeezed, step, 3000).unwrap();
                prop_assert_eq!(&got[..], &bytes[..]);
            }
        }
    }
}

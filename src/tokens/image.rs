//! What pictures and documents cost, by their size.

use crate::tokens::base64::Decoded;

/// A picture whose size is unknown counts as the largest the vendor keeps.
pub(super) const UNKNOWN_IMAGE: u64 = MAX_IMAGE;
/// A document behind an address or a file id: a page or two (our estimate).
pub(super) const UNKNOWN_DOCUMENT: u64 = 3_000;

/// Pixels for one token: width × height / 750
/// (<https://docs.claude.com/en/docs/vision>, seen 2026-11-20).
const PIXELS_PER_TOKEN: f64 = 750.0;
/// The vendor scales pictures down until no side is longer, in pixels.
const MAX_SIDE: f64 = 1568.0;
/// And until it costs no more tokens than about this.
const MAX_IMAGE: u64 = 1_600;
/// How much of a picture is searched for its size, in bytes: JPEG files may carry a preview first.
const MAX_HEAD: usize = 512 * 1024;
/// Bytes of a PDF for one page (our estimate; a scan has more, plain text less).
const PDF_PAGE_BYTES: u64 = 50 * 1024;
/// Tokens of a page: its text and its picture (the vendor says 1,500 to 3,000 for the text alone).
const PDF_PAGE_TOKENS: u64 = 2_500;
/// More pages are refused by the vendor.
const PDF_PAGES: u64 = 600;

/// Tokens of a picture given in base64.
pub(super) fn image_tokens(base64: &str) -> u64 {
    match dimensions(&mut Decoded::new(base64).take(MAX_HEAD)) {
        Some((width, height)) if 0 < width && 0 < height => {
            scaled_tokens(f64::from(width), f64::from(height))
        }
        _ => UNKNOWN_IMAGE,
    }
}

/// Tokens of a PDF given in base64.
pub(super) fn pdf_tokens(base64: &str) -> u64 {
    let bytes = base64.len() as u64 / 4 * 3;
    let pages = bytes.div_ceil(PDF_PAGE_BYTES).clamp(1, PDF_PAGES);
    pages * PDF_PAGE_TOKENS
}

fn scaled_tokens(width: f64, height: f64) -> u64 {
    let scale = (MAX_SIDE / width.max(height)).min(1.0);
    let tokens = (width * scale) * (height * scale) / PIXELS_PER_TOKEN;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sides are positive and at most MAX_SIDE"
    )]
    let tokens = tokens.ceil() as u64;
    tokens.clamp(1, MAX_IMAGE)
}

/// Width and height in pixels, from the head of a PNG, JPEG, GIF or WebP file.
fn dimensions(bytes: &mut impl Iterator<Item = u8>) -> Option<(u32, u32)> {
    match take::<2>(bytes)? {
        [0x89, b'P'] => png(bytes),
        [b'G', b'I'] => gif(bytes),
        [0xff, 0xd8] => jpeg(bytes),
        [b'R', b'I'] => webp(bytes),
        _ => None,
    }
}

fn png(bytes: &mut impl Iterator<Item = u8>) -> Option<(u32, u32)> {
    // Six bytes of signature are left, then the length and the name of the first chunk, which is always IHDR.
    skip(bytes, 6 + 4)?;
    if take(bytes)? != *b"IHDR" {
        return None;
    }
    Some((
        u32::from_be_bytes(take(bytes)?),
        u32::from_be_bytes(take(bytes)?),
    ))
}

fn gif(bytes: &mut impl Iterator<Item = u8>) -> Option<(u32, u32)> {
    skip(bytes, 4)?;
    Some((short_le(bytes)?, short_le(bytes)?))
}

fn jpeg(bytes: &mut impl Iterator<Item = u8>) -> Option<(u32, u32)> {
    loop {
        if bytes.next()? != 0xff {
            return None;
        }
        let marker = bytes.find(|byte| *byte != 0xff)?;
        match marker {
            // Markers that stand alone.
            0x01 | 0xd0..=0xd7 => {}
            // The picture itself begins, or ends, and its size was not said.
            0x00 | 0xd9 | 0xda => return None,
            // Start of frame; C4, C8 and CC are other things.
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                skip(bytes, 2 + 1)?;
                let height = u16::from_be_bytes(take(bytes)?);
                let width = u16::from_be_bytes(take(bytes)?);
                return Some((width.into(), height.into()));
            }
            _ => {
                let length = u16::from_be_bytes(take(bytes)?);
                skip(bytes, usize::from(length).checked_sub(2)?)?;
            }
        }
    }
}

fn webp(bytes: &mut impl Iterator<Item = u8>) -> Option<(u32, u32)> {
    // "FF", the size of the file, "WEBP".
    skip(bytes, 2 + 4 + 4)?;
    let kind = take(bytes)?;
    skip(bytes, 4)?;
    match &kind {
        b"VP8 " => {
            skip(bytes, 3 + 3)?;
            Some((short_le(bytes)? & 0x3fff, short_le(bytes)? & 0x3fff))
        }
        b"VP8L" => {
            skip(bytes, 1)?;
            let bits = u32::from_le_bytes(take(bytes)?);
            Some(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1))
        }
        b"VP8X" => {
            skip(bytes, 4)?;
            Some((triple_le(bytes)? + 1, triple_le(bytes)? + 1))
        }
        _ => None,
    }
}

fn short_le(bytes: &mut impl Iterator<Item = u8>) -> Option<u32> {
    Some(u16::from_le_bytes(take(bytes)?).into())
}

fn triple_le(bytes: &mut impl Iterator<Item = u8>) -> Option<u32> {
    let [low, middle, high] = take(bytes)?;
    Some(u32::from_le_bytes([low, middle, high, 0]))
}

fn skip(bytes: &mut impl Iterator<Item = u8>, count: usize) -> Option<()> {
    match count {
        0 => Some(()),
        _ => bytes.nth(count - 1).map(|_| ()),
    }
}

fn take<const N: usize>(bytes: &mut impl Iterator<Item = u8>) -> Option<[u8; N]> {
    let mut taken = [0; N];
    for byte in &mut taken {
        *byte = bytes.next()?;
    }
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(bytes: &[u8]) -> Option<(u32, u32)> {
        dimensions(&mut bytes.iter().copied())
    }

    #[test]
    fn every_format_tells_its_size() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x03\x20\0\0\x02\x58\x08";
        assert_eq!(size(png), Some((800, 600)));
        assert_eq!(size(b"GIF89a\x20\x03\x58\x02\xf7"), Some((800, 600)));
        let jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xdb\x00\x02\xff\xd0\xff\xc2\x00\x11\x08\x02\x58\x03\x20";
        assert_eq!(size(jpeg), Some((800, 600)));
        let lossy = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0abc\x9d\x01\x2a\x20\x03\x58\x02";
        assert_eq!(size(lossy), Some((800, 600)));
        let lossless = ((599_u32 << 14) + 799).to_le_bytes();
        let lossless = [b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f".as_slice(), &lossless].concat();
        assert_eq!(size(&lossless), Some((800, 600)));
        let extended = b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0\x1f\x03\0\x57\x02\0";
        assert_eq!(size(extended), Some((800, 600)));
    }

    #[test]
    fn nonsense_has_no_size_at_any_length() {
        let jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc2\x00\x11\x08\x02\x58\x03\x20";
        for end in 0..jpeg.len() {
            assert_eq!(size(&jpeg[..end]), None);
        }
        assert_eq!(size(b"\xff\xd8\xff\xe0\x00\x01"), None);
        assert_eq!(size(b"BM123456"), None);
    }

    #[test]
    fn tokens_follow_the_pixels_up_to_what_the_vendor_keeps() {
        assert_eq!(scaled_tokens(200.0, 200.0), 54);
        assert_eq!(scaled_tokens(1000.0, 1000.0), 1334);
        assert_eq!(scaled_tokens(8000.0, 8000.0), 1600);
        assert_eq!(scaled_tokens(1.0, 1.0), 1);
        assert_eq!(scaled_tokens(65_535.0, 1.0), 1);
        assert_eq!(image_tokens("!!!"), UNKNOWN_IMAGE);
        // A GIF that says it is 0 × 0.
        assert_eq!(image_tokens("R0lGODlhAAAAAAAA"), UNKNOWN_IMAGE);
    }

    #[test]
    fn pdf_pages_follow_the_bytes() {
        assert_eq!(pdf_tokens(""), 2_500);
        assert_eq!(pdf_tokens(&"A".repeat(400_000)), 6 * 2_500);
    }
}

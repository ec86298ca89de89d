//! Messages between supervisor and worker: one packet each, with a socket where one is handed over.
//!
//! A pair of sockets that no third process can reach; the worker's end is its standard input. The end of one process is
//! the end of the channel for the other.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

use rustix::cmsg_space;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;

/// Longest message, bytes. A text that may be longer is cut by its writer.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// One end.
#[derive(Debug)]
pub struct Channel(OwnedFd);

/// What came: `None` is the end of the channel.
pub type Received<M> = Option<(M, Option<OwnedFd>)>;

impl Channel {
    /// Both ends.
    pub fn pair() -> io::Result<(Channel, OwnedFd)> {
        let kind = SocketType::SEQPACKET;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
        Ok((Channel(ours), theirs))
    }

    /// This end, if it is one.
    pub fn over(end: OwnedFd) -> io::Result<Channel> {
        let kind = rustix::net::sockopt::socket_type(&end)?;
        if kind != SocketType::SEQPACKET {
            return Err(io::Error::other("not a socket of packets"));
        }
        Ok(Channel(end))
    }

    /// Listens without holding up anybody; from now on nothing at this end waits.
    pub fn ear(&self) -> io::Result<Ear> {
        // There is no type for sockets of packets. Of this one nothing is used but that it tells when to read.
        let socket = UnixDatagram::from(self.0.try_clone()?);
        socket.set_nonblocking(true)?;
        Ok(Ear(tokio::net::UnixDatagram::from_std(socket)?))
    }

    /// Says something, and hands over a copy of `socket`.
    pub fn send(&self, message: &impl Serialize, socket: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let text = serde_json::to_vec(message)?;
        let handed: Vec<BorrowedFd<'_>> = socket.into_iter().collect();
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !handed.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&handed)) {
            return Err(io::Error::other("no room for a socket"));
        }
        let packet = [IoSlice::new(&text)];
        sendmsg(&self.0, &packet, &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// The next message.
    pub fn receive<M: DeserializeOwned>(&self) -> io::Result<Received<M>> {
        receive(self.0.as_fd())
    }
}

/// An end that is listened to.
#[derive(Debug)]
pub struct Ear(tokio::net::UnixDatagram);

impl Ear {
    /// The next message, when it comes.
    pub async fn hear<M: DeserializeOwned>(&self) -> io::Result<Received<M>> {
        loop {
            self.0.readable().await?;
            let received = self
                .0
                .try_io(Interest::READABLE, || receive(self.0.as_fd()));
            match received {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return received,
            }
        }
    }
}

fn receive<M: DeserializeOwned>(end: BorrowedFd<'_>) -> io::Result<Received<M>> {
    let mut text = vec![0; MAX_MESSAGE];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = recvmsg(
        end,
        &mut [IoSliceMut::new(&mut text)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    if got.bytes == 0 {
        return Ok(None);
    }
    if got.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::Error::other("a message is too long"));
    }
    text.truncate(got.bytes);
    let mut handed = control.drain().filter_map(|it| match it {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    });
    let socket = handed.next();
    Ok(Some((serde_json::from_slice(&text)?, socket)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::supervise::message::{FromWorker, ToWorker};

    #[test]
    fn a_socket_that_was_handed_over_is_the_same_one() {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel::over(theirs).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let message = ToWorker::Socket { path: None };
        ours.send(&message, Some(listener.as_fd())).unwrap();
        drop(listener);

        let (received, socket) = theirs.receive::<ToWorker>().unwrap().unwrap();
        assert_eq!(received, message);
        let copy = TcpListener::from(socket.unwrap());
        TcpStream::connect(address)
            .unwrap()
            .write_all(b"x")
            .unwrap();
        assert!(copy.accept().is_ok());
    }

    #[test]
    fn the_end_of_one_is_the_end_for_the_other() {
        let (ours, theirs) = Channel::pair().unwrap();
        ours.send(&FromWorker::Leaving, None).unwrap();
        drop(ours);
        let theirs = Channel::over(theirs).unwrap();
        let (last, socket) = theirs.receive::<FromWorker>().unwrap().unwrap();
        assert_eq!((last, socket.is_none()), (FromWorker::Leaving, true));
        assert!(theirs.receive::<FromWorker>().unwrap().is_none());
        assert!(theirs.send(&FromWorker::Leaving, None).is_err());
    }

    #[test]
    fn what_a_later_version_says_is_passed_over() {
        let (ours, theirs) = Channel::pair().unwrap();
        ours.send(&serde_json::json!({"say": "sing", "song": 1}), None)
            .unwrap();
        let theirs = Channel::over(theirs).unwrap();
        let (received, _) = theirs.receive::<ToWorker>().unwrap().unwrap();
        assert_eq!(received, ToWorker::Unknown);
    }

    #[test]
    fn a_standard_input_that_is_none_is_refused() {
        let (end, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(Channel::over(end.into()).is_err());
    }
}

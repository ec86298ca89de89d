//! Several things awaited at once, on one task.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// What all of them come to, in their order.
pub async fn together<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<Pin<Box<_>>> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<T>> = waiting.iter().map(|_| None).collect();
    poll_fn(|cx| {
        let mut pending = false;
        for (future, done) in waiting.iter_mut().zip(&mut done) {
            if done.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(value) => *done = Some(value),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn they_run_side_by_side_and_keep_their_order() {
        let (sender, there) = tokio::sync::oneshot::channel();
        let waits: Pin<Box<dyn Future<Output = u8>>> = Box::pin(async { there.await.unwrap() });
        let gives: Pin<Box<dyn Future<Output = u8>>> = Box::pin(async {
            sender.send(1).unwrap();
            2
        });
        assert_eq!(together(vec![waits, gives]).await, [1, 2]);
        assert!(
            together(Vec::<std::future::Ready<u8>>::new())
                .await
                .is_empty()
        );
    }
}

//! What a live response has told so far, for the requests that follow it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

use crate::limits::{LIVE_BYTES_MAX, LIVE_KEPT_BYTES, LIVE_RESPONSE_BYTES_MAX};
use crate::workload::{Place, Told, answer};

/// One exchange of a run: whether it is over, and what its response told. Shared by the requests that wait for it.
#[derive(Debug)]
pub struct Live {
    told: Arc<Told>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// When its outcome was known.
    over: Option<u64>,
    /// By number of [`Told`]: those that were asked for when the response came.
    values: Vec<Option<Vec<u8>>>,
    /// The response, for values that nobody has asked for yet.
    kept: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    method: Box<[u8]>,
    response: Vec<u8>,
}

impl Live {
    /// Nothing is known.
    pub fn new(told: Arc<Told>) -> Live {
        Live { told, state: Mutex::default(), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the response is worth keeping.
    pub fn is_wanted(&self, answers: &Answers) -> bool {
        !self.told.is_empty() || answers.are_kept()
    }

    /// The exchange is over, `at` some instant: takes from its response what later requests need. An empty one tells
    /// nothing.
    pub fn learn(self: &Arc<Live>, at: u64, method: &[u8], mut response: Vec<u8>, answers: &Answers) {
        let mut state = self.state();
        state.over = Some(at);
        if !response.is_empty() {
            if !self.told.is_empty() {
                state.values = self.told.with(|places| answer(method, &response, places).0);
            }
            if answers.are_kept() && response.len() <= LIVE_RESPONSE_BYTES_MAX {
                // It was read into more room than it takes.
                response.shrink_to_fit();
                answers.keep(self, response.len() + LIVE_KEPT_BYTES);
                state.kept = Some(Kept { method: method.into(), response });
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// It will not come to a response: nobody is to wait for it. No effect when it has.
    pub fn give_up(&self, at: u64) {
        let mut state = self.state();
        if state.over.is_none() {
            state.over = Some(at);
            drop(state);
            self.changed.notify_waiters();
        }
    }

    /// When it was over, if it is.
    pub fn is_over(&self) -> Option<u64> {
        self.state().over
    }

    /// Waits until it is over; says when that was.
    pub async fn over(&self) -> u64 {
        loop {
            let changed = self.changed.notified();
            if let Some(at) = self.is_over() {
                return at;
            }
            changed.await;
        }
    }

    /// A value that its response told.
    pub fn value(&self, number: u32) -> Option<Vec<u8>> {
        let mut state = self.state();
        if state.values.get(number as usize).is_none()
            && let Some(Kept { method, response }) = &state.kept
        {
            state.values = self.told.with(|places| answer(method, response, places).0);
        }
        state.values.get(number as usize).cloned().flatten()
    }

    /// Where in its response that stands.
    pub fn place(&self, number: u32) -> Option<Place> {
        self.told.with(|places| places.get(number as usize).cloned())
    }

    fn forget(&self) {
        self.state().kept = None;
    }
}

/// Responses that are kept while the capture is still being read: a request that takes a value from one may come later.
/// Bounded; the oldest are forgotten, and values that were to come from them are missed.
#[derive(Debug)]
pub struct Answers {
    kept: AtomicBool,
    all: Mutex<KeptAnswers>,
}

/// The memory of all, and of each, oldest first.
type KeptAnswers = (usize, VecDeque<(usize, Weak<Live>)>);

impl Default for Answers {
    fn default() -> Answers {
        Answers { kept: AtomicBool::new(true), all: Mutex::default() }
    }
}

impl Answers {
    /// Later requests may still turn out to need a response.
    pub fn are_kept(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }

    /// The capture was read to its end: it is known which values are needed.
    pub fn need_no_more(&self) {
        self.kept.store(false, Ordering::Relaxed);
    }

    fn keep(&self, live: &Arc<Live>, bytes: usize) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.0 += bytes;
        all.1.push_back((bytes, Arc::downgrade(live)));
        let mut gone = Vec::new();
        while all.0 > LIVE_BYTES_MAX
            && let Some((bytes, oldest)) = all.1.pop_front()
        {
            all.0 -= bytes;
            gone.push(oldest);
        }
        drop(all);
        // Not `live` itself, whose state is in use: it is the youngest, and no larger than what is kept.
        gone.iter().filter_map(Weak::upgrade).for_each(|oldest| oldest.forget());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Event;
    use crate::workload::hand::{Exchange, workload};

    const LOGIN: &[u8] = b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=a1B2c3D4\r\nContent-Length: 0\r\n\r\n";
    const LIVE: &[u8] = b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=other9Z\r\nContent-Length: 0\r\n\r\n";

    /// What is told by a login whose cookie is sent later.
    fn told() -> Arc<Told> {
        let later = b"GET / HTTP/1.1\r\nCookie: sid=a1B2c3D4\r\n\r\n";
        let all = [(0, b"POST /login HTTP/1.1\r\n\r\n".as_slice(), LOGIN), (10, later, b"")];
        let exchange = |&(at_ms, request, response)| Exchange { connection: 0, at_ms, request, response };
        let events = workload(&all.iter().map(exchange).collect::<Vec<_>>()).events();
        events
            .iter()
            .find_map(|event| if let Event::Turn(turn) = event { Some(turn.told.clone()) } else { None })
            .unwrap()
    }

    #[test]
    fn values_are_taken_at_once_or_from_what_is_kept() {
        let answers = Answers::default();
        for asked_before in [true, false] {
            let live = Arc::new(Live::new(if asked_before { told() } else { Arc::default() }));
            assert!(live.is_over().is_none() && live.is_wanted(&answers));
            live.learn(7, b"POST", LIVE.to_vec(), &answers);
            assert_eq!(live.is_over(), Some(7));
            live.give_up(9);
            assert_eq!(live.is_over(), Some(7));
            if asked_before {
                assert_eq!(live.value(0), Some(b"other9Z".to_vec()));
            }
            assert_eq!(live.value(1), None);
        }
        answers.need_no_more();
        assert!(!Live::new(Arc::default()).is_wanted(&answers) && Live::new(told()).is_wanted(&answers));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let answers = Answers::default();
        let padded = [LIVE, &vec![b' '; LIVE_RESPONSE_BYTES_MAX - LIVE.len()]].concat();
        let all: Vec<Arc<Live>> =
            (0..LIVE_BYTES_MAX / LIVE_RESPONSE_BYTES_MAX + 3).map(|_| Arc::new(Live::new(Arc::default()))).collect();
        all.iter().for_each(|live| live.learn(1, b"GET", padded.clone(), &answers));
        let kept = all.iter().filter(|live| live.state().kept.is_some()).count();
        assert_eq!(kept, LIVE_BYTES_MAX / (LIVE_RESPONSE_BYTES_MAX + LIVE_KEPT_BYTES));
        assert!(all[0].state().kept.is_none() && all.last().unwrap().state().kept.is_some());
    }
}

//! Host names of addresses, asked for in the background: a slow resolver delays no report.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

/// Questions that may wait; more are asked again at the next report.
const WAITING: usize = 256;

/// Names kept at most.
const KEPT: usize = 65_536;

/// What is known: `None` while an answer is awaited, and where there is no name.
type Names = HashMap<IpAddr, Option<String>>;

/// Asks the system's resolver.
pub(crate) struct Resolver {
    names: Arc<Mutex<Names>>,
    questions: mpsc::SyncSender<IpAddr>,
}

impl Resolver {
    /// Begins to answer, on a thread that ends with the program.
    pub(crate) fn start() -> Self {
        let names = Arc::new(Mutex::new(Names::new()));
        let (questions, waiting) = mpsc::sync_channel(WAITING);
        let answers = Arc::clone(&names);
        thread::spawn(move || {
            for address in waiting {
                let name = dns_lookup::lookup_addr(&address).ok();
                // The resolver gives the address itself where there is no name.
                let name = name.filter(|name| name.parse::<IpAddr>().is_err());
                lock(&answers).insert(address, name);
            }
        });
        Self { names, questions }
    }

    /// The name of an address if it is known by now.
    pub(crate) fn name(&self, address: IpAddr) -> Option<String> {
        let mut names = lock(&self.names);
        if let Some(name) = names.get(&address) {
            return name.clone();
        }
        if names.len() < KEPT && self.questions.try_send(address).is_ok() {
            names.insert(address, None);
        }
        None
    }
}

fn lock(names: &Mutex<Names>) -> std::sync::MutexGuard<'_, Names> {
    names.lock().unwrap_or_else(PoisonError::into_inner)
}

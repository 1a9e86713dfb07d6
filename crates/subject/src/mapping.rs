//! Subject transforms, and the weighted mappings of an account that are made of them.
//!
//! ```text
//!   orders.*.*  to  archive.{{wildcard(2)}}.{{partition(8,1)}}
//!   orders.eu.42    archive.42.5
//! ```
//!
//! Not here: who may map what, the generator of the random numbers, and permissions on the result.

use crate::{pattern, subject};

mod transform;

pub use self::transform::Transform;

/// Why a mapping cannot be compiled, in the words that operators know from the reference server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MappingError(pub String);

/// One destination of a mapping with its weight in percent and, if any, the cluster it is meant for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Destination subject text.
    pub subject: Box<[u8]>,
    /// 0 to 100.
    pub weight: u8,
    /// Only for servers of this cluster.
    pub cluster: Option<Box<str>>,
}

/// All mappings of one account, in the order of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Mappings(Vec<Mapping>);

/// The outcome of [`Mappings::apply`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapped {
    /// No mapping matched, or the weights left it on its source.
    Unchanged,
    /// Publish to this subject instead.
    To(Vec<u8>),
    /// Deliver to nobody.
    Dropped,
}

#[derive(Clone, Debug)]
struct Mapping {
    source: Box<[u8]>,
    destinations: Vec<Weighted>,
    /// What becomes of the share that the weights leave over: an operator who lists the source among the destinations
    /// has said how much stays there, and wants to lose the rest.
    drops_rest: bool,
}

#[derive(Clone, Debug)]
struct Weighted {
    transform: Transform,
    weight: u8,
    cluster: Option<Box<str>>,
}

impl Mappings {
    /// Adds one source with its destinations, or replaces them where the source is there already.
    ///
    /// # Errors
    /// If the source is no pattern, a destination is listed twice or cannot be compiled, or the weights of one cluster
    /// exceed 100. The mappings are as before then.
    pub fn add(&mut self, source: &[u8], destinations: &[Destination]) -> Result<(), MappingError> {
        if !subject::is_valid_pattern(source) || source.contains(&FORM_FEED) {
            return Err(transform::invalid_subject());
        }
        let mut weighted: Vec<Weighted> = Vec::new();
        for (i, Destination { subject, weight, cluster }) in destinations.iter().enumerate() {
            if destinations.iter().take(i).any(|earlier| earlier.subject == *subject) {
                return Err(MappingError(format!("duplicate entry for {:?}", String::from_utf8_lossy(subject))));
            }
            if *weight > 100 {
                return Err(MappingError("individual weights need to be <= 100".into()));
            }
            let others = weighted.iter().filter(|other| other.cluster == *cluster);
            if others.map(|other| u32::from(other.weight)).sum::<u32>() + u32::from(*weight) > 100 {
                return Err(MappingError("total weight needs to be <= 100".into()));
            }
            let transform = Transform::checked(source, subject)?;
            weighted.push(Weighted { transform, weight: *weight, cluster: cluster.clone() });
        }
        let drops_rest = destinations.iter().any(|destination| *destination.subject == *source);
        let mapping = Mapping { source: source.into(), destinations: weighted, drops_rest };
        match self.0.iter_mut().find(|present| *present.source == *source) {
            Some(present) => *present = mapping,
            None => self.0.push(mapping),
        }
        Ok(())
    }

    /// Nothing to map.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where a published subject goes on a server of `cluster`, by the first mapping that matches. `random` decides
    /// between the weights and feeds `{{random(N)}}`.
    pub fn apply(&self, subject: &[u8], cluster: Option<&str>, random: u64) -> Mapped {
        let Some(mapping) = self.0.iter().find(|mapping| pattern::is_subset(subject, &mapping.source)) else {
            return Mapped::Unchanged;
        };
        let is_scoped = cluster.is_some() && mapping.destinations.iter().any(|to| to.cluster.as_deref() == cluster);
        let scope = if is_scoped { cluster } else { None };
        let mut percent = random % 100;
        for to in mapping.destinations.iter().filter(|to| to.cluster.as_deref() == scope) {
            match percent.checked_sub(u64::from(to.weight)) {
                Some(left) => percent = left,
                None => {
                    // The choice has used up the randomness of the remainder.
                    let mapped = to.transform.render(subject, random / 100);
                    return if mapped == subject { Mapped::Unchanged } else { Mapped::To(mapped) };
                }
            }
        }
        if mapping.drops_rest { Mapped::Dropped } else { Mapped::Unchanged }
    }
}

/// Subscriptions may hold it, the source of a mapping may not.
const FORM_FEED: u8 = b'\x0c';

#[cfg(test)]
mod tests;

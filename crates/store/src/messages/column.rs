//! A vector that grows by pages: nothing is ever copied, and at most a page is spare.

/// Values by index.
#[derive(Debug)]
pub(super) struct Column<T> {
    pages: Vec<Vec<T>>,
}

const PAGE: usize = 1024;

impl<T> Default for Column<T> {
    fn default() -> Self {
        Column { pages: Vec::new() }
    }
}

impl<T> Column<T> {
    pub(super) fn push(&mut self, value: T) {
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            // The first page grows as a vector does.
            self.pages.push(if self.pages.is_empty() { Vec::new() } else { Vec::with_capacity(PAGE) });
        }
        self.pages.last_mut().expect("one was added if there was none").push(value);
    }

    pub(super) fn get(&self, index: usize) -> Option<&T> {
        self.pages.get(index / PAGE)?.get(index % PAGE)
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.pages.get_mut(index / PAGE)?.get_mut(index % PAGE)
    }

    pub(super) fn len(&self) -> usize {
        let Some((last, whole)) = self.pages.split_last() else { return 0 };
        whole.len() * PAGE + last.len()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let pages: usize = self.pages.iter().map(|page| page.capacity() * size_of::<T>()).sum();
        pages + self.pages.capacity() * size_of::<Vec<T>>()
    }
}

//! Which files of a day are worth being written anew, together.

use base::limits;

use crate::snapshot::DataFile;

/// Below this share of the target, a file is small.
const SMALL: (u64, u64) = (3, 4);

/// What the names of compacted files begin with.
pub(super) const SORTED: &str = "compacted-";

/// How many of the files are small.
pub(super) fn small_files(files: &[DataFile], target: u64) -> usize {
    files.iter().filter(|file| is_small(file, target)).count()
}

/// How many files of a day that has many are merged into larger ones, and how large these become.
#[derive(Debug, Clone, Copy)]
pub(super) struct Merging {
    /// How large the files are that are merged.
    pub(super) target: u64,
    /// How many of them a day may have.
    pub(super) files_max: usize,
    /// How large they become.
    pub(super) large: u64,
}

/// Groups of files that are each sorted, and as large as sorting makes them. None where a day does not
/// have many.
pub(super) fn merges(files: &[DataFile], merging: &Merging) -> Vec<Vec<DataFile>> {
    // Two that are larger than half the target are not put together by sorting.
    let is_whole = |file: &&DataFile| is_sorted(file) && file.bytes >= merging.target / 2;
    let files: Vec<DataFile> = files.iter().filter(is_whole).cloned().collect();
    if files.len() <= merging.files_max {
        return Vec::new();
    }
    grouped(&files, merging.large, limits::COMPACT_MERGED_MAX)
}

/// Whether compaction has written it: its rows are in the order of time and id then.
pub(super) fn is_sorted(file: &DataFile) -> bool {
    file.path.filename().is_some_and(|name| name.starts_with(SORTED))
}

/// Groups of small files that are near in time, each as large as `target` at most. A group is left
/// out if too little would come of it: so a file grows by a quarter each time it is written anew, or
/// takes in [`limits::COMPACT_FILES_WORTH`] others, and how often that happens has a bound.
pub(super) fn plan(files: &[DataFile], target: u64) -> Vec<Vec<DataFile>> {
    grouped(files, target, limits::COMPACT_FILES_MAX)
}

fn grouped(files: &[DataFile], target: u64, files_max: usize) -> Vec<Vec<DataFile>> {
    let mut small: Vec<&DataFile> = files.iter().filter(|file| is_small(file, target)).collect();
    small.sort_by(|a, b| (a.time_min, a.time_max, &a.path).cmp(&(b.time_min, b.time_max, &b.path)));
    let mut groups = Vec::new();
    let mut group: Vec<DataFile> = Vec::new();
    let mut bytes = 0_u64;
    for file in small {
        let is_full = bytes.saturating_add(file.bytes) > target || group.len() >= files_max;
        if is_full {
            groups.push(std::mem::take(&mut group));
            bytes = 0;
        }
        bytes = bytes.saturating_add(file.bytes);
        group.push(file.clone());
    }
    groups.push(group);
    groups.retain(|group| is_worth_it(group));
    groups
}

fn is_small(file: &DataFile, target: u64) -> bool {
    let (part, whole) = SMALL;
    file.bytes.saturating_mul(whole) < target.saturating_mul(part)
}

fn is_worth_it(group: &[DataFile]) -> bool {
    let bytes = group.iter().map(|file| file.bytes).sum::<u64>();
    let largest = group.iter().map(|file| file.bytes).max().unwrap_or(0);
    let grows = bytes.saturating_sub(largest).saturating_mul(4) >= largest;
    group.len() > limits::COMPACT_FILES_WORTH || (group.len() > 1 && grows)
}

#[cfg(test)]
mod tests {
    use base::{Day, Timestamp};
    use object_store::path::Path;
    use proptest::prelude::*;

    use super::*;

    const TARGET: u64 = 1000;

    fn file(name: usize, bytes: u64, second: i64) -> DataFile {
        let time = Some(Timestamp::from_seconds(second));
        DataFile {
            path: Path::from(format!("{name}")),
            bytes,
            rows: Some(1),
            day: Day::from_days(0),
            time_min: time,
            time_max: time,
        }
    }

    fn sizes(bytes: &[u64]) -> Vec<Vec<u64>> {
        let files: Vec<_> =
            (0..).zip(bytes).map(|(at, bytes)| file(at, *bytes, at as i64)).collect();
        let groups = plan(&files, TARGET).into_iter();
        groups.map(|group| group.into_iter().map(|file| file.bytes).collect()).collect()
    }

    #[test]
    fn neighbors_are_put_together_up_to_the_target() {
        let none: Vec<Vec<u64>> = Vec::new();
        assert_eq!(sizes(&[]), none);
        assert_eq!(sizes(&[10]), none, "one file stays as it is");
        assert_eq!(sizes(&[10, 10]), [[10, 10]]);
        assert_eq!(sizes(&[750, 900, 2000]), none, "none of them is small");
        assert_eq!(sizes(&[400, 900, 500]), [[400, 500]], "large ones are no wall between them");
        assert_eq!(sizes(&[400, 500, 300, 300]), [vec![400, 500], vec![300, 300]]);
        assert_eq!(sizes(&[700, 10]), none, "a late trickle does not rewrite a large file");
        assert_eq!(sizes(&[700, 10, 10, 10, 10, 10, 10, 10]), none);
        assert_eq!(sizes(&[700, 10, 10, 10, 10, 10, 10, 10, 10]).len(), 1, "many files do");
    }

    #[test]
    fn days_with_many_sorted_files_get_larger_ones() {
        let merging = Merging { target: TARGET, files_max: 4, large: 4000 };
        let sorted = |name: usize, bytes: u64| {
            let path = Path::from(format!("day=2026-11-24/{SORTED}{name}.parquet"));
            DataFile { path, ..file(name, bytes, i64::try_from(name).unwrap()) }
        };
        let sizes = |files: &[DataFile]| -> Vec<usize> {
            merges(files, &merging).iter().map(Vec::len).collect()
        };
        let few: Vec<_> = (0..4).map(|name| sorted(name, 900)).collect();
        assert!(sizes(&few).is_empty(), "a day may have four");
        let many: Vec<_> = (0..9).map(|name| sorted(name, 900)).collect();
        assert_eq!(sizes(&many), [4, 4]);
        let fresh: Vec<_> = (0..9).map(|name| file(name, 900, 0)).collect();
        assert!(sizes(&fresh).is_empty(), "what is not sorted is sorted first");
        let small: Vec<_> = (0..9).map(|name| sorted(name, 100)).collect();
        assert!(sizes(&small).is_empty(), "small files are put together first");
        let large: Vec<_> = (0..9).map(|name| sorted(name, 3600)).collect();
        assert!(sizes(&large).is_empty(), "these are large already");
    }

    proptest! {
        /// However files come, writing them anew ends, and each byte is written a few times only.
        #[test]
        fn it_comes_to_rest(arriving in prop::collection::vec((1_u64..1200, 0_i64..50), 1..120)) {
            let (mut files, mut written, mut total) = (Vec::<DataFile>::new(), 0_u64, 0_u64);
            for (name, (bytes, second)) in arriving.into_iter().enumerate() {
                files.push(file(name, bytes, second));
                total += bytes;
                let mut rounds = 0;
                loop {
                    let groups = plan(&files, TARGET);
                    if groups.is_empty() {
                        break;
                    }
                    rounds += 1;
                    prop_assert!(rounds < 10, "it goes on and on");
                    for (at, group) in groups.into_iter().enumerate() {
                        prop_assert!(group.len() > 1);
                        let bytes: u64 = group.iter().map(|file| file.bytes).sum();
                        prop_assert!(bytes <= TARGET);
                        files.retain(|file| !group.contains(file));
                        let mut one = file(1_000_000 * (name + 1) + at, bytes, 0);
                        one.time_min = group.iter().filter_map(|file| file.time_min).min();
                        files.push(one);
                        written += bytes;
                    }
                }
            }
            prop_assert!(written <= total * 30, "{written} bytes written of {total}");
        }
    }
}

//! The hidden argument by which tests make the process die at a point.

use base::fault;

/// Reads `point`, or `point:n` for the n-th time it is reached.
pub(super) fn parse(text: &str) -> Result<(fault::Point, u64), String> {
    let (name, times) = text.split_once(':').unwrap_or((text, "1"));
    let names = || fault::Point::ALL.map(fault::Point::name).join(", ");
    let point = fault::Point::ALL.into_iter().find(|point| point.name() == name);
    let point = point.ok_or_else(|| format!("the points are {}", names()))?;
    let times = times.parse().map_err(|_| format!("`{times}` is no number"))?;
    Ok((point, times))
}

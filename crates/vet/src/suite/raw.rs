//! The raw event of a test: what its log source would have delivered.

use decode::{Format, Frame, FrameState, Framer, Header};
use detect::yaml::{Kind, Node, ScalarType};

/// A raw event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RawEvent {
    /// Bytes as they arrive, perhaps with several records in them.
    Text(String),
    /// One record, as JSON.
    Record(String),
}

impl RawEvent {
    /// Reads the value of `event`. Answers what is wrong with it, if it can't be one.
    pub(crate) fn read(node: &Node) -> Result<Self, String> {
        match &node.kind {
            Kind::Scalar(scalar) if scalar.scalar_type() == ScalarType::Text => {
                Ok(Self::Text(scalar.text.clone()))
            }
            Kind::Map(_) => Ok(Self::Record(node.to_json())),
            Kind::Scalar(_) | Kind::List(_) => {
                Err(format!("an event is a mapping or a text, and this is {}", node.kind_name()))
            }
        }
    }

    /// Calls `each` for every record in it; answers why there is none, or why part of it is none.
    pub(crate) fn records(
        &self,
        format: &Format,
        each: &mut dyn FnMut(&[u8], Option<&Header>),
    ) -> Result<(), String> {
        let text = match self {
            Self::Record(_) if format.layout.is_text() => {
                return Err("the log source reads lines of text, and the event is a mapping: \
                            write the line as a text"
                    .to_owned());
            }
            Self::Record(json) => {
                each(json.as_bytes(), None);
                return Ok(());
            }
            Self::Text(text) => text,
        };
        let mut trouble = None;
        let mut count = 0_usize;
        let mut framer = Framer::new(format, FrameState::default(), 0);
        framer.frame(text.as_bytes(), true, &mut |frame| match frame {
            Frame::Record { bytes, header, .. } => {
                count += 1;
                each(bytes, header.as_ref());
            }
            Frame::Malformed { problem, .. } => trouble = Some(problem.to_string()),
            Frame::Oversize { .. } => trouble = Some(decode::Reject::oversize().to_string()),
        });
        match trouble {
            Some(trouble) => Err(trouble),
            None if count == 0 => Err("there is no record in the event".to_owned()),
            None => Ok(()),
        }
    }
}

//! The report as CI servers read it: a test suite for each card, a test case for each check.
//!
//! Source: the schema of Jenkins' xUnit plugin, which others follow.

use super::{CardReport, CheckReport, Finding, Verdict, actual, expected, place};
use crate::text::failure::Failure;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use std::fs;
use std::io;
use std::path::Path;

type Xml = Writer<Vec<u8>>;

impl CheckReport<'_> {
    /// Writes the report into the file.
    pub(crate) fn write_junit(&self, path: &Path) -> Result<(), Failure> {
        let failed =
            |error| Failure::because(format_args!("cannot write {}", path.display()), error);
        fs::write(path, self.junit().map_err(failed)?).map_err(failed)
    }

    fn junit(&self) -> io::Result<Vec<u8>> {
        let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        xml.create_element("testsuites")
            .write_inner_content(|xml| self.cards.iter().try_for_each(|card| suite(xml, card)))?;
        let mut text = xml.into_inner();
        text.push(b'\n');
        Ok(text)
    }
}

fn suite(xml: &mut Xml, card: &CardReport<'_>) -> io::Result<()> {
    let stopped = usize::from(card.stopped.is_some());
    let skipped = card.skipped().values().map(Vec::len).sum::<usize>();
    let seconds: f64 = card.findings.iter().map(|finding| finding.took.as_secs_f64()).sum();
    xml.create_element("testsuite")
        .with_attribute(("name", card.name.as_str()))
        .with_attribute(("tests", (card.findings.len() + stopped).to_string().as_str()))
        .with_attribute(("failures", card.deviations().count().to_string().as_str()))
        .with_attribute(("errors", stopped.to_string().as_str()))
        .with_attribute(("skipped", skipped.to_string().as_str()))
        .with_attribute(("time", format!("{seconds:.3}").as_str()))
        .write_inner_content(|xml| {
            card.findings.iter().try_for_each(|finding| case(xml, &card.name, finding))?;
            if let Some(sentence) = &card.stopped {
                ended(xml, &card.name, sentence)?;
            }
            Ok(())
        })?;
    Ok(())
}

/// A test case for the end that came too early.
fn ended(xml: &mut Xml, card: &str, sentence: &str) -> io::Result<()> {
    xml.create_element("testcase")
        .with_attribute(("classname", card))
        .with_attribute(("name", "the check comes to its end"))
        .write_inner_content(|xml| {
            xml.create_element("error").with_attribute(("message", sentence)).write_empty()?;
            Ok(())
        })?;
    Ok(())
}

fn case(xml: &mut Xml, card: &str, finding: &Finding<'_>) -> io::Result<()> {
    let Finding { case, verdict, took } = finding;
    let element = xml
        .create_element("testcase")
        .with_attribute(("classname", card))
        .with_attribute(("name", case.name.as_str()))
        .with_attribute(("time", format!("{:.3}", took.as_secs_f64()).as_str()));
    match verdict {
        Verdict::Holds => element.write_empty()?,
        Verdict::Skipped(reason) => element.write_inner_content(|xml| {
            xml.create_element("skipped").with_attribute(("message", *reason)).write_empty()?;
            Ok(())
        })?,
        Verdict::Deviates(mismatch) => element.write_inner_content(|xml| {
            let text = format!(
                "source: {}\nstep: {}\nwanted: {}\ngot: {}",
                case.source(),
                place(mismatch),
                expected(mismatch),
                actual(mismatch)
            );
            xml.create_element("failure")
                .with_attribute(("message", case.title()))
                .write_text_content(BytesText::new(&text))?;
            Ok(())
        })?,
    };
    Ok(())
}

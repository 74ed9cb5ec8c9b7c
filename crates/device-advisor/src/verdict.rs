//! What a case says of a device, in AWS's words.

use std::fmt;

/// AWS's verdicts, and one of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The criterion is met.
    Pass,
    /// It is met, with something to look at.
    PassWithWarnings,
    /// It is not met.
    Fail,
    /// The criterion cannot be asked of this device; the evidence says why.
    NotApplicable,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "PASS",
            Self::PassWithWarnings => "PASS_WITH_WARNINGS",
            Self::Fail => "FAIL",
            Self::NotApplicable => "not applicable",
        })
    }
}

/// A verdict with what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The verdict.
    pub verdict: Verdict,
    /// Times, packet identifiers, cipher suites, alerts.
    pub evidence: String,
}

impl Finding {
    /// The criterion is met.
    pub fn pass(evidence: impl Into<String>) -> Self {
        Self { verdict: Verdict::Pass, evidence: evidence.into() }
    }

    /// The criterion is met, with something to look at.
    pub fn warn(evidence: impl Into<String>) -> Self {
        Self { verdict: Verdict::PassWithWarnings, evidence: evidence.into() }
    }

    /// The criterion is not met.
    pub fn fail(evidence: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, evidence: evidence.into() }
    }

    /// The criterion cannot be asked of this device.
    pub fn not_applicable(evidence: impl Into<String>) -> Self {
        Self { verdict: Verdict::NotApplicable, evidence: evidence.into() }
    }

    /// The same, where a condition holds that makes it one to look at.
    #[must_use]
    pub fn warn_if(mut self, condition: bool, evidence: &str) -> Self {
        if condition {
            if self.verdict == Verdict::Pass {
                self.verdict = Verdict::PassWithWarnings;
            }
            self.evidence = format!("{}; {evidence}", self.evidence);
        }
        self
    }
}

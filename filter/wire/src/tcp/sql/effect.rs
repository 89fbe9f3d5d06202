//! What the tokens of a statement mean for the session.

use super::lexer::Token;
use super::{Dialect, Effects, SetConfig};
use crate::tcp::PinReason;

/// What a statement is, as far as its words have shown.
///
/// ```text
///        first word          further words             ;
/// Start ────────────▶ Set ─────────────────▶ Other ────────▶ Start
///                     Create ..  (effect)      ▲
///           └──────────────────────────────────┘ no effect on the session
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Statement {
    #[default]
    Start,
    Set,
    SetSession,
    /// `SELECT`, so far without `FROM`.
    Select,
    /// After `SELECT .. INTO`.
    Into,
    /// `RESET`, `DISCARD`, `CLOSE`, `DEALLOCATE`, `UNLISTEN`: followed by `ALL` or `*` for all there is.
    Delete(Deleted),
    Prepare,
    Create,
    /// `CREATE TEMPORARY ..`: pins at its end, unless it has `ON COMMIT DROP`.
    CreateTemporary,
    /// The same, after `COMMIT`.
    OnCommit,
    Declare,
    /// `DECLARE .. WITH`.
    DeclareWith,
    /// MySQL's `LOCK TABLES`.
    Lock,
    /// MySQL's `FLUSH TABLES`, which locks them `WITH READ LOCK` or `FOR EXPORT`.
    Flush,
    Handler,
    /// PostgreSQL's `DO`, whose block follows.
    Do,
    Other,
}

/// What a statement deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deleted {
    Reason(PinReason),
    Everything,
}

impl Statement {
    pub(super) fn apply(&mut self, token: Token<'_>, dialect: Dialect, effects: &mut Effects) {
        match token {
            Token::Symbol(b';') => {
                if matches!(self, Self::CreateTemporary | Self::OnCommit) {
                    effects.add(PinReason::TemporaryTable);
                }
                if core::mem::take(&mut effects.set_config) == SetConfig::Called {
                    effects.add(PinReason::SessionSetting);
                }
                *self = Self::Start;
            }
            Token::Symbol(symbol) => self.apply_symbol(symbol, dialect, effects),
            Token::Word(word) => {
                apply_function(word, dialect, effects);
                *self = match *self {
                    Self::Start => Self::begin(word, dialect, effects),
                    statement => statement.next(word, effects),
                };
            }
        }
    }

    #[inline(never)]
    fn begin(word: &[u8], dialect: Dialect, effects: &mut Effects) -> Self {
        let is_mysql = dialect == Dialect::MySql;
        let statement = match word {
            b"set" => Self::Set,
            b"select" => Self::Select,
            b"reset" => Self::Delete(Deleted::Reason(PinReason::SessionSetting)),
            b"close" => Self::Delete(Deleted::Reason(PinReason::HeldCursor)),
            b"deallocate" => Self::Delete(Deleted::Reason(PinReason::PreparedStatement)),
            b"unlisten" => Self::Delete(Deleted::Reason(PinReason::Subscription)),
            b"discard" => Self::Delete(Deleted::Everything),
            b"prepare" => Self::Prepare,
            b"create" => Self::Create,
            b"declare" => Self::Declare,
            b"lock" if is_mysql => Self::Lock,
            b"flush" if is_mysql => Self::Flush,
            b"unlock" if is_mysql => {
                effects.remove(PinReason::TableLock);
                Self::Other
            }
            b"handler" if is_mysql => Self::Handler,
            b"use" if is_mysql => {
                effects.add(PinReason::SessionSetting);
                Self::Other
            }
            b"call" | b"execute" if is_mysql => {
                effects.calls_procedure = true;
                Self::Other
            }
            b"do" if !is_mysql => Self::Do,
            b"listen" => {
                effects.add(PinReason::Subscription);
                Self::Other
            }
            _ => Self::Other,
        };
        let may_belong_to_setup = matches!(
            statement,
            Self::Set | Self::Select | Self::Delete(Deleted::Reason(PinReason::SessionSetting))
        );
        effects.ends_setup |= !may_belong_to_setup && !matches!(word, b"show" | b"use");
        statement
    }

    #[inline(never)]
    fn next(self, word: &[u8], effects: &mut Effects) -> Self {
        let reason = match (self, word) {
            // These end with the transaction, are not of the session, or are set again with each use of a
            // connection by the pools and drivers that set them.
            (
                Self::Set,
                b"local" | b"transaction" | b"constraints" | b"global" | b"autocommit"
                | b"sql_select_limit",
            ) => return Self::Other,
            // A label.
            (Self::Set | Self::SetSession, b"application_name") => return Self::Other,
            (Self::Set, b"session") => return Self::SetSession,
            (Self::SetSession, b"characteristics" | b"transaction") => return Self::Other,
            (Self::Set | Self::SetSession, _) => PinReason::SessionSetting,
            (Self::Select, b"from") => {
                effects.ends_setup = true;
                return Self::Select;
            }
            (Self::Select, b"into") => {
                effects.ends_setup = true;
                return Self::Into;
            }
            (Self::Delete(deleted), b"all") => {
                match deleted {
                    Deleted::Reason(reason) => effects.remove(reason),
                    Deleted::Everything => effects.discard_all(),
                }
                return Self::Other;
            }
            (Self::Delete(Deleted::Everything), b"temp" | b"temporary") => {
                effects.remove(PinReason::TemporaryTable);
                return Self::Other;
            }
            (Self::Create, b"temp" | b"temporary") => return Self::CreateTemporary,
            (Self::CreateTemporary, b"commit") => return Self::OnCommit,
            (Self::OnCommit, b"drop") => return Self::Other,
            (Self::OnCommit, _) => return Self::CreateTemporary,
            (Self::CreateTemporary | Self::Do, _) => return self,
            (Self::Into, b"temp" | b"temporary") => PinReason::TemporaryTable,
            (Self::Delete(_), b"prepare")
            | (Self::Create, b"local" | b"global" | b"or" | b"replace") => {
                return self;
            }
            (Self::Prepare, b"transaction") => return Self::Other,
            (Self::Prepare, _) => PinReason::PreparedStatement,
            (Self::Declare | Self::DeclareWith, b"with") => return Self::DeclareWith,
            (Self::DeclareWith, b"hold") => PinReason::HeldCursor,
            (Self::DeclareWith, _) => return Self::Declare,
            (Self::Lock, b"tables" | b"table" | b"instance")
            | (Self::Flush, b"lock" | b"export") => PinReason::TableLock,
            (Self::Handler, b"open") => PinReason::HeldCursor,
            (Self::Declare | Self::Lock | Self::Flush | Self::Handler | Self::Select, _) => {
                return self;
            }
            _ => return Self::Other,
        };
        effects.add(reason);
        Self::Other
    }

    fn apply_symbol(&mut self, symbol: u8, dialect: Dialect, effects: &mut Effects) {
        match (*self, symbol) {
            (Self::Delete(Deleted::Reason(PinReason::Subscription)), b'*') => {
                effects.remove(PinReason::Subscription);
            }
            // `SET @name`. A system variable follows a second `@`, so that a setting is what it is, too.
            (Self::Set | Self::Into, b'@') | (Self::Select, b':') if dialect == Dialect::MySql => {
                effects.add(PinReason::SessionSetting);
            }
            _ => {}
        }
    }
}

/// Functions that change the session's state, wherever they occur.
fn apply_function(word: &[u8], dialect: Dialect, effects: &mut Effects) {
    match (dialect, word) {
        (Dialect::PostgreSql, b"pg_advisory_unlock_all") => effects.remove(PinReason::AdvisoryLock),
        (
            Dialect::PostgreSql,
            b"pg_advisory_lock"
            | b"pg_advisory_lock_shared"
            | b"pg_try_advisory_lock"
            | b"pg_try_advisory_lock_shared",
        )
        | (Dialect::MySql, b"get_lock") => effects.add(PinReason::AdvisoryLock),
        (Dialect::PostgreSql, b"set_config") => {
            if effects.set_config == SetConfig::Called {
                effects.add(PinReason::SessionSetting);
            }
            effects.set_config = SetConfig::Called;
        }
        (Dialect::PostgreSql, b"true") if effects.set_config == SetConfig::Called => {
            effects.set_config = SetConfig::Local;
        }
        (Dialect::PostgreSql, b"false") if effects.set_config == SetConfig::Local => {
            effects.set_config = SetConfig::Called;
        }
        (Dialect::PostgreSql, b"pg_temp") => effects.add(PinReason::TemporaryTable),
        _ => {}
    }
}

package dev.perseid.core;

import org.jspecify.annotations.Nullable;

/// Decides what concerns audits: the part of a [Decision] about what they found and what pays for
/// them.
final class AuditDecision {
  private final State state;
  private final Decision decision;
  private final long nowUs;

  AuditDecision(State state, Decision decision, long nowUs) {
    this.state = state;
    this.decision = decision;
    this.nowUs = nowUs;
  }

  void record(Command.RecordAudit c) {
    String what = "RecordAudit";
    AuditNote note = c.note();
    String problem = problem(note);
    AuditNote before = state.conducts.of(note.provider(), note.model(), note.reader());
    if (problem != null) {
      decision.refuse(what, note.provider(), Rejection.Code.INVALID, problem);
    } else if (note.audits() != (before == null ? 0 : before.audits()) + 1
        || note.tokens() < (before == null ? 0 : before.tokens())) {
      decision.refuse(
          what,
          note.provider(),
          Rejection.Code.STALE,
          "the audit does not follow the newest one: weigh it upon that one");
    } else if (before != null && before.standing() == Standing.CHEATING) {
      decision.refuse(
          what,
          note.provider(),
          Rejection.Code.ENDED,
          "the provider was caught already: nothing is weighed after that");
    } else if (!state.conducts.hasRoom(note)) {
      decision.refuse(
          what,
          note.provider(),
          Rejection.Code.OVERLOADED,
          "as much is known by audits as may be kept: "
              + Limits.CONDUCTS
              + " providers and models, and "
              + Limits.AUDIT_READERS
              + " readers of each");
    } else {
      decision.emit(new Event.Audited(note, nowUs));
    }
  }

  private @Nullable String problem(AuditNote n) {
    if (!state.market.models.containsKey(n.model())) {
      return "no model " + n.model() + " is listed here";
    }
    if (n.reader().equals(n.provider())) {
      return "nobody reads its own answers";
    }
    if (!Text.isName(n.requestId(), Limits.REQUEST_ID_CHARS)) {
      return "the request's id is not of 1 to "
          + Limits.REQUEST_ID_CHARS
          + " characters A-Z a-z 0-9 . _ -";
    }
    if (n.evidence().size() > Limits.AUDIT_SIGNS || n.tests().size() > Limits.AUDIT_TESTS) {
      return "it weighs more than "
          + Limits.AUDIT_SIGNS
          + " signs or has more than "
          + Limits.AUDIT_TESTS
          + " numbers of tests";
    }
    for (AuditNote.Weighed weighed : n.evidence()) {
      if (!Text.isName(weighed.sign(), Limits.AUDIT_SIGN_CHARS) || weighed.values() < 1) {
        return "it weighs nothing, or a sign without a name";
      }
    }
    if (n.standing() == Standing.ACCUSED) {
      return "one reader's audits accuse nobody: they find a cheat or do not";
    }
    boolean named =
        n.standing() == Standing.CHEATING
            ? Text.isName(n.sign(), Limits.AUDIT_SIGN_CHARS)
            : n.sign().isEmpty();
    if (!named) {
      return "it must say what betrayed the cheat, and nothing of others";
    }
    return null;
  }

  void fund(Command.FundAudits c) {
    String what = "FundAudits";
    Account pool = state.ledger.find(state.self);
    Account account = state.ledger.find(c.account());
    long balance = pool == null ? 0 : pool.balance;
    if (c.least() <= 0 || c.most() < c.least()) {
      decision.refuse(
          what,
          state.self,
          Rejection.Code.INVALID,
          c.least() + " to " + c.most() + " microcredits cannot be moved: write 1 or more");
    } else if (account != null && !state.conducts.accounts.contains(c.account())) {
      decision.refuse(
          what,
          state.self,
          Rejection.Code.FORBIDDEN,
          c.account() + " is somebody's account: audits are paid out of accounts of their own");
    } else if (account == null
        && (state.conducts.accounts.size() >= Limits.AUDIT_ACCOUNTS
            || state.ledger.size() >= Limits.ACCOUNTS)) {
      decision.refuse(
          what,
          state.self,
          Rejection.Code.OVERLOADED,
          "audits are paid out of as many accounts as may be open: close one first");
    } else if (balance < c.least()) {
      decision.refuse(
          what,
          state.self,
          Rejection.Code.INSUFFICIENT_CREDITS,
          "the pool's own account "
              + state.self
              + " has "
              + Text.credits(balance)
              + ", and the audit may cost "
              + Text.credits(c.least())
              + ": grant it some, or lower the rates of repeated requests and canaries to 0");
    } else {
      decision.emit(new Event.AuditsFunded(c.account(), Math.min(balance, c.most()), nowUs));
    }
  }

  void close(Command.CloseAudits c) {
    if (!state.conducts.accounts.contains(c.account())) {
      decision.refuse(
          "CloseAudits",
          state.self,
          Rejection.Code.UNKNOWN,
          "audits are not paid out of " + c.account());
    } else if (state.market.tabs.containsKey(c.account())) {
      decision.refuse(
          "CloseAudits",
          state.self,
          Rejection.Code.INVALID,
          "there are credits on the tab of " + c.account() + ": empty it first");
    } else {
      Account account = state.ledger.of(c.account());
      // Anybody may put money into a purse on a chain. What came in that way is in a purse for
      // which
      // nobody can sign: it would not cover what the pool then spent of it.
      long back =
          account.purse == null
              ? account.balance
              : Math.min(account.balance, account.purse.prepaid);
      decision.emit(new Event.AuditsClosed(c.account(), back, nowUs));
    }
  }
}

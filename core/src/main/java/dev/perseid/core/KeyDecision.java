package dev.perseid.core;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Decides what concerns API keys: the part of a [Decision] about who may do what in whose name.
final class KeyDecision {
  private final KeyRing keys;
  private final Decision decision;
  private final long nowUs;

  KeyDecision(State state, Decision decision, long nowUs) {
    this.keys = state.keys;
    this.decision = decision;
    this.nowUs = nowUs;
  }

  void make(Command.MakeApiKey c) {
    if (isFree("MakeApiKey", c.account(), c.keyHash(), c.name())) {
      decision.emit(new Event.ApiKeyMade(c.account(), c.keyHash(), c.name(), nowUs));
    }
  }

  void make(Command.MakeScopedKey c) {
    String what = "MakeScopedKey";
    String problem = c.rights().problem(nowUs);
    if (problem != null) {
      decision.refuse(what, c.account(), Rejection.Code.INVALID, "the key is refused: " + problem);
      return;
    }
    String beyond = c.rights().beyond(c.within());
    if (c.parent().isPresent()) {
      KeyRing.Row parent = keys.find(c.parent().get());
      if (parent == null || !parent.account.equals(c.account()) || parent.rights.isOver(nowUs)) {
        decision.refuse(
            what,
            c.account(),
            Rejection.Code.UNKNOWN,
            "the key that would make this one was revoked or has ended");
        return;
      }
      beyond = beyond == null ? c.rights().beyond(parent.rights) : beyond;
      if (!parent.rights.has(Scope.KEYS)) {
        beyond = "what the scope 'keys' allows";
      }
      if (keys.line(parent).size() >= Limits.API_KEY_DEPTH) {
        decision.refuse(
            what,
            c.account(),
            Rejection.Code.INVALID,
            "keys are made by keys at most "
                + Limits.API_KEY_DEPTH
                + " deep: make it with one further up");
        return;
      }
    }
    if (beyond != null) {
      decision.refuse(
          what,
          c.account(),
          Rejection.Code.FORBIDDEN,
          "a key may do no more than who makes it, and this one would have " + beyond);
      return;
    }
    if (isFree(what, c.account(), c.keyHash(), c.name())) {
      decision.emit(
          new Event.ScopedKeyMade(
              c.account(), c.keyHash(), c.name(), c.rights(), c.parent(), nowUs));
    }
  }

  private boolean isFree(String what, Address account, Hash keyHash, String name) {
    if (name.length() > Limits.API_KEY_NAME_CHARS || !Text.isLine(name)) {
      decision.refuse(
          what,
          account,
          Rejection.Code.INVALID,
          "a key's name must be one line of at most " + Limits.API_KEY_NAME_CHARS + " characters");
      return false;
    }
    for (KeyRing.Row row : keys.rows(account)) {
      if (row.rights.isOver(nowUs)) {
        revoke(row);
      }
    }
    if (keys.count(account) >= Limits.API_KEYS_OF_ONE || keys.size() >= Limits.API_KEYS) {
      decision.refuse(
          what,
          account,
          Rejection.Code.OVERLOADED,
          "this account has as many keys as it may ("
              + Limits.API_KEYS_OF_ONE
              + "), or the pool has: revoke one first");
      return false;
    }
    if (keys.find(keyHash) != null) {
      decision.refuse(
          what, account, Rejection.Code.INVALID, "this key is in use: make another one");
      return false;
    }
    return true;
  }

  /// A key and all that were made with it stand for nobody any more.
  private void revoke(KeyRing.Row root) {
    if (keys.find(root.keyHash) != null) {
      for (KeyRing.Row row : keys.tree(root)) {
        decision.emit(new Event.ApiKeyRevoked(row.keyHash, nowUs));
      }
    }
  }

  void revoke(Command.RevokeApiKey c) {
    KeyRing.Row row = keys.find(c.keyHash());
    boolean own = row != null && (c.operator() || row.account.equals(c.by()));
    Optional<Hash> with = c.with();
    if (row == null
        || !own
        || (with.isPresent()
            && keys.line(row).stream().noneMatch(r -> r.keyHash.equals(with.get())))) {
      decision.refuse(
          "RevokeApiKey",
          c.by(),
          Rejection.Code.UNKNOWN,
          "this account has no such key: look at the list of its keys");
    } else {
      revoke(row);
    }
  }

  /// Counts what a request cost on the keys with which it was asked, where one of them is limited.
  void spend(List<Hash> with, long charge) {
    List<Hash> there = new ArrayList<>();
    boolean limited = false;
    for (Hash hash : with) {
      KeyRing.Row row = keys.find(hash);
      if (row != null) {
        there.add(hash);
        limited |= row.rights.spendLimit().isPresent();
      }
    }
    if (limited && charge > 0) {
      decision.emit(new Event.ApiKeySpent(there, charge, nowUs));
    }
  }
}

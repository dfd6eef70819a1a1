package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import org.junit.jupiter.api.Test;

/// Keys that may do less than everything, and keys that were made with them.
class ApiKeyTest {
  private final Fixture f = new Fixture();
  private final Hash parent = Sample.hash(1);
  private final Hash child = Sample.hash(2);
  private final Hash grandchild = Sample.hash(3);

  private Rights rights(Set<Scope> scopes, List<String> models, long limit, long untilUs) {
    return new Rights(scopes, models, OptionalLong.of(limit), OptionalLong.of(untilUs));
  }

  private List<Event> make(Hash key, Rights rights, Optional<Hash> by) {
    return f.run(new Command.MakeScopedKey(Sample.ALICE, key, "k", rights, Rights.ALL, by));
  }

  private void refused(Command command, Rejection.Code code, String part) {
    Rejection why = f.refused(command);
    assertThat(why.message()).contains(part);
    assertThat(why.code()).isEqualTo(code);
  }

  private void refusedChild(Rights rights, String part) {
    refused(
        new Command.MakeScopedKey(
            Sample.ALICE, Sample.hash(9), "", rights, Rights.ALL, Optional.of(parent)),
        Rejection.Code.FORBIDDEN,
        part);
  }

  @Test
  void aKeyMayDoNoMoreThanWhoMadeIt() {
    long end = f.nowUs + 1_000_000;
    EnumSet<Scope> scopes = EnumSet.of(Scope.INFERENCE, Scope.KEYS);
    make(parent, rights(scopes, List.of("m", "n"), 500, end), Optional.empty());
    refusedChild(rights(EnumSet.allOf(Scope.class), List.of("m"), 1, end), "the scope 'read'");
    refusedChild(rights(scopes, List.of(), 1, end), "all models, not only m, n");
    refusedChild(rights(scopes, List.of("m", "x"), 1, end), "the model 'x'");
    refusedChild(rights(scopes, List.of("m"), 501, end), "a spending limit above");
    refusedChild(rights(scopes, List.of("m"), 1, end + 1), "a later end");
    refusedChild(Rights.of(EnumSet.of(Scope.INFERENCE)), "all models");
    assertThat(make(child, rights(scopes, List.of("n"), 500, end), Optional.of(parent)))
        .hasOnlyElementsOfType(Event.ScopedKeyMade.class);
    // A session that may do little makes no key that may do much.
    refused(
        new Command.MakeScopedKey(
            Sample.ALICE, Sample.hash(9), "", Rights.ALL, Rights.INFERENCE, Optional.empty()),
        Rejection.Code.FORBIDDEN,
        "a key may do no more than who makes it");
  }

  @Test
  void onlyKeysWithTheScopeMakeKeysAndOnlyOfTheirAccount() {
    make(parent, Rights.of(EnumSet.of(Scope.INFERENCE)), Optional.empty());
    refusedChild(Rights.INFERENCE, "what the scope 'keys' allows");
    refused(
        new Command.MakeScopedKey(
            Sample.BOB, child, "", Rights.INFERENCE, Rights.ALL, Optional.of(parent)),
        Rejection.Code.UNKNOWN,
        "was revoked or has ended");
    refused(
        new Command.MakeScopedKey(
            Sample.ALICE, child, "", Rights.of(Set.of()), Rights.ALL, Optional.empty()),
        Rejection.Code.INVALID,
        "it has no scope");
    refused(
        new Command.MakeScopedKey(
            Sample.ALICE,
            child,
            "",
            rights(EnumSet.of(Scope.READ), List.of(), 1, f.nowUs),
            Rights.ALL,
            Optional.empty()),
        Rejection.Code.INVALID,
        "it would have ended already");
    refused(
        new Command.MakeScopedKey(
            Sample.ALICE,
            child,
            "",
            rights(EnumSet.of(Scope.READ), List.of("no name"), 1, f.nowUs + 1),
            Rights.ALL,
            Optional.empty()),
        Rejection.Code.INVALID,
        "is no model's name");
    assertThat(f.pool.apiKeys(null)).hasSize(1);
  }

  @Test
  void revocationTakesTheChildrenAlong() {
    make(parent, Rights.ALL, Optional.empty());
    make(child, Rights.ALL, Optional.of(parent));
    make(grandchild, Rights.ALL, Optional.of(child));
    Hash other = Sample.hash(4);
    make(other, Rights.ALL, Optional.empty());
    refused(
        new Command.RevokeApiKey(parent, Sample.ALICE, false, Optional.of(child)),
        Rejection.Code.UNKNOWN,
        "no such key");
    refused(
        new Command.RevokeApiKey(other, Sample.ALICE, false, Optional.of(parent)),
        Rejection.Code.UNKNOWN,
        "no such key");
    assertThat(f.run(new Command.RevokeApiKey(parent, Sample.ALICE, false, Optional.of(parent))))
        .containsExactly(
            new Event.ApiKeyRevoked(grandchild, f.nowUs),
            new Event.ApiKeyRevoked(child, f.nowUs),
            new Event.ApiKeyRevoked(parent, f.nowUs));
    assertThat(f.pool.apiKeys(null)).extracting(ApiKeyView::keyHash).containsExactly(other);
    refused(
        new Command.MakeScopedKey(
            Sample.ALICE, child, "", Rights.ALL, Rights.ALL, Optional.of(parent)),
        Rejection.Code.UNKNOWN,
        "was revoked or has ended");
  }

  @Test
  void whatHasEndedMakesRoom() {
    make(parent, rights(EnumSet.allOf(Scope.class), List.of(), 9, f.nowUs + 10), Optional.empty());
    make(child, rights(EnumSet.of(Scope.READ), List.of(), 9, f.nowUs + 9), Optional.of(parent));
    f.nowUs += 10;
    refused(
        new Command.MakeScopedKey(
            Sample.ALICE,
            grandchild,
            "",
            rights(EnumSet.of(Scope.READ), List.of(), 9, f.nowUs + 9),
            Rights.ALL,
            Optional.of(parent)),
        Rejection.Code.UNKNOWN,
        "has ended");
    make(grandchild, Rights.ALL, Optional.empty());
    assertThat(f.pool.apiKeys(null)).extracting(ApiKeyView::keyHash).containsExactly(grandchild);
  }

  @Test
  void keysAreMadeWithKeysOnlySoDeep() {
    Optional<Hash> by = Optional.empty();
    for (int i = 0; i < Limits.API_KEY_DEPTH; i++) {
      make(Sample.hash(20 + i), Rights.ALL, by);
      by = Optional.of(Sample.hash(20 + i));
    }
    refused(
        new Command.MakeScopedKey(Sample.ALICE, child, "", Rights.ALL, Rights.ALL, by),
        Rejection.Code.INVALID,
        "at most 8 deep");
  }
}

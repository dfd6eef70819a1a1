package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Address;
import dev.perseid.core.ApiKeyView;
import dev.perseid.core.Hash;
import dev.perseid.core.Rights;
import dev.perseid.core.Scope;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class KeyBookTest {
  private static final Address ALICE = new Address(0, 0, 1);
  private final KeyBook book = new KeyBook();
  private final ApiKeyView above = key("above", 100, Optional.empty(), 40);
  private final ApiKeyView below = key("below", 100, Optional.of(above.keyHash()), 0);

  private static Hash hash(String key) {
    return Hash.sha256(key.getBytes(StandardCharsets.UTF_8));
  }

  private static ApiKeyView key(String name, long limit, Optional<Hash> parent, long spent) {
    Rights rights =
        new Rights(
            EnumSet.of(Scope.INFERENCE),
            List.of(),
            OptionalLong.of(limit),
            OptionalLong.of(1_000_000));
    return new ApiKeyView(ALICE, hash(name), name, 1, rights, parent, spent);
  }

  @Test
  void whatAKeyHoldsCountsOnAllAboveIt() {
    book.refresh(List.of(above, below), 0);
    List<Hash> line = book.find("below", 0).orElseThrow().keys;
    assertThat(line).containsExactly(below.keyHash(), above.keyHash());
    assertThat(book.hold(line, 61)).as("40 of 100 are spent above").hasValue(60);
    assertThat(book.hold(line, 50)).isEmpty();
    assertThat(book.hold(line, 11)).hasValue(10);
    book.ended(line, 50, 20);
    assertThat(book.hold(line, 41)).as("20 count until they are recorded").hasValue(40);
    // The provider did not sign: it costs nothing after all.
    book.recorded(line, 20, 0);
    assertThat(book.hold(line, 60)).isEmpty();
    book.ended(line, 60, 60);
    book.recorded(line, 60, 60);
    assertThat(book.hold(line, 1)).hasValue(0);
    assertThat(book.hold(List.of(below.keyHash()), 40)).as("the limit below").isEmpty();
  }

  @Test
  void whatIsRevokedOrOverIsNobody() {
    book.refresh(List.of(above, below), 0);
    Sessions.Session session = book.find("above", 999).orElseThrow();
    assertThat(book.find("above", 1_000)).as("it has ended").isEmpty();
    assertThat(book.find("nothing", 0)).isEmpty();
    book.refresh(List.of(below), 0);
    assertThat(session.isOver()).as("what it watches ends").isTrue();
    assertThat(book.find("above", 0)).isEmpty();
    assertThat(book.find("below", 0).orElseThrow().isOver()).isFalse();
  }

  @Test
  void aNewKeyOfTheSameNameHasItsOwnRights() {
    book.refresh(List.of(above), 0);
    Sessions.Session old = book.find("above", 0).orElseThrow();
    ApiKeyView again =
        new ApiKeyView(ALICE, above.keyHash(), "", 2, Rights.ALL, Optional.empty(), 0);
    book.refresh(List.of(again), 0);
    assertThat(old.isOver()).isTrue();
    assertThat(book.find("above", 0).orElseThrow().rights).isEqualTo(Rights.ALL);
  }
}

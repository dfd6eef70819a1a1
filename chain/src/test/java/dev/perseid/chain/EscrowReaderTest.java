package dev.perseid.chain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Address;
import dev.perseid.core.ChainPurse;
import dev.perseid.core.Hash;
import dev.perseid.settle.Key;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// That who follows the reader has the escrow's books, through reorganisations, gaps and lies.
class EscrowReaderTest {
  @TempDir Path folder;

  /// What somebody knows who only hears of what was read.
  private static final class Book {
    final Map<Address, ChainPurse> purses = new HashMap<>();
    final Map<Address, Long> paid = new HashMap<>();
    final Set<Address> payees = new HashSet<>();
    Cursor cursor;

    Book(EscrowReader reader) {
      cursor = reader.start();
    }

    int follow(EscrowReader reader) throws ChainException {
      int reads = 0;
      boolean more = true;
      while (more) {
        var seen = reader.read(cursor, List.copyOf(purses.keySet()), List.copyOf(payees));
        if (seen.isEmpty()) {
          return reads;
        }
        reads++;
        seen.get().purses().forEach(purse -> purses.put(purse.consumer(), purse));
        paid.putAll(seen.get().paid());
        cursor = seen.get().cursor();
        more = !seen.get().isCaughtUp();
      }
      return reads;
    }
  }

  private static void equalTheChain(Lab lab, Address pool, Book book, List<Key> consumers)
      throws ChainException {
    for (Key consumer : consumers) {
      Escrow.Purse purse = lab.escrow.purse(pool, consumer.address(), At.latest());
      ChainPurse known = book.purses.get(consumer.address());
      if (known == null) {
        assertThat(purse).isEqualTo(new Escrow.Purse(0, 0, 0));
      } else {
        assertThat(known.funded()).isEqualTo(purse.funded());
        assertThat(known.spent()).isEqualTo(purse.spent());
        assertThat(known.leavingAtUs()).isEqualTo(purse.exitAtS() * 1_000_000);
      }
    }
    for (Address payee : book.payees) {
      assertThat(book.paid.getOrDefault(payee, 0L))
          .isEqualTo(lab.escrow.paidTo(pool, payee, At.latest()));
    }
  }

  @Test
  void whoReadsHasTheEscrowsBooksThroughReorganisations() throws Exception {
    long seed = 1_002;
    System.out.println("EscrowReaderTest seed " + seed);
    Random random = new Random(seed);
    try (Lab lab = new Lab(folder)) {
      Address pool = lab.pool();
      EscrowReader reader =
          new EscrowReader(lab.chain, lab.deployment.escrow(), pool, lab.deployment.fromBlock(), 1);
      Book book = new Book(reader);
      List<Key> consumers = List.of(Lab.key(100), Lab.key(101), Lab.key(102));
      Address payee = Lab.key(103).address();
      book.payees.add(payee);
      long spent = 0;
      for (int round = 0; round < 12; round++) {
        Key consumer = consumers.get(random.nextInt(3));
        lab.fundPurse(consumer, pool, 1_000, new Hash(seed, 0, 0, round));
        if (random.nextBoolean()) {
          long epoch = lab.escrow.till(pool, At.latest()).epoch() + 1;
          Escrow.Purse purse = lab.escrow.purse(pool, consumer.address(), At.latest());
          long cumulative = purse.spent() + random.nextLong(purse.left() + 1);
          spent = Math.min(spent + 100, lab.escrow.till(pool, At.latest()).earned());
          Due due = new Due(payee, spent);
          lab.done(
              lab.escrow.settle(
                  pool,
                  lab.settlement(
                      epoch,
                      List.of(lab.voucher(consumer, pool, cumulative)),
                      List.of(due),
                      List.of(due))));
        }
        book.follow(reader);
        equalTheChain(lab, pool, book, consumers);
        if (random.nextInt(3) == 0) {
          // What was believed with one confirmation is gone: the reader must notice.
          lab.local.reorganise(1 + random.nextInt(2));
          lab.local.mine(1);
          book.follow(reader);
          equalTheChain(lab, pool, book, consumers);
          spent = lab.escrow.paidTo(pool, payee, At.latest());
        }
        if (random.nextInt(4) == 0) {
          // A restart: only the cursor and the book are left.
          reader =
              new EscrowReader(
                  lab.chain, lab.deployment.escrow(), pool, lab.deployment.fromBlock(), 1);
        }
      }
      // Somebody who starts now knows the same.
      Book late = new Book(reader);
      late.payees.add(payee);
      EscrowReader.Seen all = reader.readAll(late.payees);
      all.purses().forEach(purse -> late.purses.put(purse.consumer(), purse));
      late.paid.putAll(all.paid());
      equalTheChain(lab, pool, late, consumers);
    }
  }

  /// What was read and not taken in, as the books could not be written, is read again: also what no
  /// log tells, because the block in which it was is gone.
  @Test
  void whatWasNotTakenInIsReadAgain() throws Exception {
    try (Lab lab = new Lab(folder)) {
      Address pool = lab.pool();
      Key consumer = Lab.key(104);
      Book book = new Book(reader(lab, pool));
      lab.fundPurse(consumer, pool, 1_000, new Hash(0, 0, 4, 1));
      book.follow(reader(lab, pool));
      assertThat(book.purses.get(consumer.address()).funded()).isEqualTo(1_000);
      lab.local.reorganise(1);
      // Who was started meanwhile knows how far its books go, and not by which block.
      book.cursor = new Cursor(book.cursor.block(), Hash.ZERO);
      EscrowReader reader = reader(lab, pool);
      for (int attempt = 0; attempt < 3; attempt++) {
        EscrowReader.Seen seen =
            reader.read(book.cursor, List.of(consumer.address()), List.of()).orElseThrow();
        assertThat(seen.purses()).containsExactly(new ChainPurse(consumer.address(), 0, 0, 0));
      }
      book.follow(reader);
      equalTheChain(lab, pool, book, List.of(consumer));
      assertThat(reader.read(book.cursor, List.of(consumer.address()), List.of())).isEmpty();
    }
  }

  private static EscrowReader reader(Lab lab, Address pool) {
    return new EscrowReader(
        lab.chain, lab.deployment.escrow(), pool, lab.deployment.fromBlock(), 1);
  }

  @Test
  void aGapOfManyBlocksIsReadInPieces() throws Exception {
    try (Lab lab = new Lab(folder)) {
      Address pool = lab.pool();
      EscrowReader reader =
          new EscrowReader(
              lab.chain, lab.deployment.escrow(), pool, lab.deployment.fromBlock(), 3, 20);
      Book book = new Book(reader);
      book.follow(reader);
      lab.fundPurse(Lab.key(110), pool, 5, new Hash(0, 0, 1, 1));
      lab.local.mine(50);
      lab.fundPurse(Lab.key(111), pool, 6, new Hash(0, 0, 1, 2));
      assertThat(book.follow(reader)).isEqualTo(3);
      assertThat(book.purses).containsOnlyKeys(Lab.key(110).address()); // not deep enough yet
      lab.local.mine(3);
      book.follow(reader);
      equalTheChain(lab, pool, book, List.of(Lab.key(110), Lab.key(111)));
      assertThat(reader.read(book.cursor, List.of(), List.of())).isEmpty();
    }
  }

  @Test
  void whoPutWhatIntoAPurseIsToldAlsoAfterAnExit() throws Exception {
    try (Lab lab = new Lab(folder)) {
      Address pool = lab.pool();
      Address who = lab.consumer.address();
      EscrowReader reader =
          new EscrowReader(
              lab.chain, lab.deployment.escrow(), pool, lab.deployment.fromBlock(), 1, 7);
      lab.done(lab.token.mint(lab.operator.address(), 1_000));
      lab.done(lab.token.approve(lab.deployment.escrow(), 1_000));
      lab.done(lab.escrow.deposit(pool, who, 300));
      lab.fundPurse(lab.consumer, pool, 50, new Hash(0, 0, 3, 1));
      lab.local.mine(20);
      lab.done(lab.escrow.deposit(pool, who, 20));
      assertThat(reader.puts(lab.operator.address(), lab.chain.head()))
          .containsExactly(Map.entry(who, new EscrowReader.Put(320, 50, 320, false)));
      assertThat(reader.puts(who, lab.chain.head()))
          .containsExactly(Map.entry(who, new EscrowReader.Put(50, 320, 50, false)));

      lab.local.fund(who, java.math.BigInteger.TEN.pow(18));
      try (Outbox own = lab.outbox(lab.consumer, "own")) {
        lab.done(own, lab.escrow.askExit(pool));
        lab.local.pass(4 * 86_400 + 1);
        lab.done(own, lab.escrow.exit(pool, who));
      }
      lab.done(lab.escrow.deposit(pool, who, 7));
      assertThat(reader.puts(lab.operator.address(), lab.chain.head()))
          .containsExactly(Map.entry(who, new EscrowReader.Put(7, 0, 327, true)));
    }
  }

  @Test
  void logsThatWereNotAskedForAreRefused() throws Exception {
    try (Lab lab = new Lab(folder);
        FaultyNode faulty = new FaultyNode(lab.local.rpc());
        Chain chain =
            Chain.connect(List.of(faulty.url()), OptionalLong.of(lab.chain.id()), 5_000)) {
      Address pool = lab.pool();
      lab.fundPurse(lab.consumer, pool, 5, new Hash(0, 0, 2, 1));
      EscrowReader reader =
          new EscrowReader(chain, lab.deployment.escrow(), pool, lab.deployment.fromBlock(), 1);
      List<Consumer<ObjectNode>> lies =
          List.of(
              log -> log.put("address", lab.token.address().toString()),
              log -> ((ArrayNode) log.get("topics")).set(0, log.get("topics").get(1)),
              log -> ((ArrayNode) log.get("topics")).set(1, log.get("topics").get(0)),
              log -> log.put("blockNumber", "0xffffff"),
              log -> log.put("removed", true),
              log -> log.put("data", "0x1"));
      for (Consumer<ObjectNode> lie : lies) {
        faulty.lie =
            (method, request, answer) -> {
              if (method.equals("eth_getLogs")) {
                answer.get("result").forEach(log -> lie.accept((ObjectNode) log));
              }
            };
        assertThatThrownBy(() -> reader.read(reader.start(), List.of(), List.of()))
            .isInstanceOfSatisfying(
                ChainException.class,
                e -> assertThat(e.kind()).isEqualTo(ChainException.Kind.UNTRUSTED));
      }
      faulty.lie =
          (method, request, answer) -> {
            if (method.equals("eth_getLogs")) {
              ArrayNode logs = (ArrayNode) answer.get("result");
              logs.add(logs.get(0).deepCopy());
            }
          };
      assertThatThrownBy(() -> reader.read(reader.start(), List.of(), List.of()))
          .hasMessageContaining("twice, or out of order");
      // A log that is kept from us does no harm once the till has moved.
      faulty.lie =
          (method, request, answer) -> {
            if (method.equals("eth_getLogs")) {
              answer.putArray("result");
            }
          };
      EscrowReader.Seen seen =
          reader.read(reader.start(), List.of(lab.consumer.address()), List.of()).orElseThrow();
      assertThat(seen.purses()).containsExactly(new ChainPurse(lab.consumer.address(), 5, 0, 0));
      // A node that falls behind is waited for.
      faulty.lie =
          (method, request, answer) -> {
            if (method.equals("eth_getBlockByNumber")
                && request.path("params").path(0).asText().equals("latest")) {
              ((ObjectNode) answer.get("result")).put("number", "0x1");
            }
          };
      assertThat(reader.read(seen.cursor(), List.of(), List.of())).isEmpty();
    }
  }
}

package dev.perseid.chain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Address;
import dev.perseid.settle.Key;
import java.io.BufferedReader;
import java.io.IOException;
import java.math.BigInteger;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// That nothing is paid twice and nothing is lost, on a real node behind one that misbehaves.
class OutboxTest {
  private static final BigInteger CAP = Lab.GWEI.multiply(BigInteger.valueOf(100));
  private static final BigInteger AMOUNT = BigInteger.valueOf(1_000_003);
  private static final long ANSWER_MS = 700;

  /// A clock that the test moves.
  private static final class Clock implements InstantSource {
    private long ms = 1_800_000_000_000L;

    @Override
    public synchronized Instant instant() {
      return Instant.ofEpochMilli(ms);
    }

    synchronized void pass(long more) {
      ms += more;
    }
  }

  @TempDir Path folder;

  private final Key key = Lab.key(7);
  private final Address payee = Lab.key(8).address();
  private final Clock clock = new Clock();
  private LocalChain local;
  private FaultyNode faulty;
  private Chain chain;

  @BeforeEach
  void start() throws Exception {
    local = LocalChain.start(Lab.anvil(), LocalChain.Options.INSTANT);
    local.fund(key.address(), Lab.ETHER.multiply(BigInteger.valueOf(1_000)));
    // Blocks come when the test makes them: how fast the node would is nobody's promise.
    local.automine(false);
    faulty = new FaultyNode(local.rpc());
    chain = connect(faulty.url());
  }

  @AfterEach
  void stop() {
    chain.close();
    faulty.close();
    local.close();
  }

  private static Chain connect(URI... urls) throws ChainException {
    return Chain.connect(List.of(urls), OptionalLong.of(31_337), ANSWER_MS);
  }

  private Outbox open(int confirmations) throws IOException {
    return Outbox.open(
        folder.resolve("outbox"), chain, key, new Outbox.Rules(CAP, confirmations, 1_000), clock);
  }

  private Call pay() {
    return new Call("pay", Optional.of(payee), AMOUNT, new byte[0]);
  }

  private BigInteger paid() throws ChainException {
    return local.chain().balance(payee, At.latest());
  }

  private long nonce() throws ChainException {
    return local.chain().nonce(key.address(), At.latest());
  }

  private static Outbox.State state(Outbox outbox, String name) {
    return outbox.state(name).orElseThrow();
  }

  @Test
  void aNameIsDoneOnce() throws Exception {
    try (Outbox outbox = open(1)) {
      outbox.submit("a", pay(), Outbox.Again.NEVER);
      local.mine(1);
      outbox.tick();
      assertThat(state(outbox, "a")).isInstanceOf(Outbox.State.Done.class);
      assertThat(outbox.submit("a", pay(), Outbox.Again.NEVER))
          .isInstanceOf(Outbox.State.Done.class);
      assertThatThrownBy(() ->
              outbox.submit(
                  "a",
                  new Call("other", Optional.of(key.address()), AMOUNT, new byte[0]),
                  Outbox.Again.NEVER))
          .hasMessageContaining("name of another");
    }
    try (Outbox outbox = open(1)) {
      assertThat(outbox.submit("a", pay(), Outbox.Again.NEVER))
          .isInstanceOf(Outbox.State.Done.class);
    }
    assertThat(paid()).isEqualTo(AMOUNT);
    assertThat(nonce()).isEqualTo(1);
  }

  @Test
  void whatWasDroppedIsSentAgain() throws Exception {
    try (Outbox outbox = open(1)) {
      Outbox.State.Waiting waiting =
          (Outbox.State.Waiting) outbox.submit("a", pay(), Outbox.Again.NEVER);
      local.drop(waiting.transaction());
      local.mine(1);
      assertThat(paid()).isEqualTo(BigInteger.ZERO);
      outbox.tick();
      local.mine(1);
      outbox.tick();
      assertThat(state(outbox, "a")).isInstanceOf(Outbox.State.Done.class);
    }
    assertThat(paid()).isEqualTo(AMOUNT);
    assertThat(nonce()).isEqualTo(1);
  }

  @Test
  void aTransactionThatIsReorganisedAwayIsPendingAgainAndPaidOnce() throws Exception {
    try (Outbox outbox = open(4)) {
      outbox.submit("a", pay(), Outbox.Again.NEVER);
      local.mine(2);
      outbox.tick();
      assertThat(state(outbox, "a")).isInstanceOf(Outbox.State.Included.class);
      local.reorganise(2);
      assertThat(paid()).isEqualTo(BigInteger.ZERO);
      outbox.tick();
      assertThat(state(outbox, "a")).isInstanceOf(Outbox.State.Waiting.class);
      local.mine(1);
      while (true) {
        outbox.tick();
        if (state(outbox, "a") instanceof Outbox.State.Done(Receipt receipt)) {
          assertThat(local.chain().head().number() - receipt.block() + 1).isEqualTo(4);
          break;
        }
        Outbox.State.Included in = (Outbox.State.Included) state(outbox, "a");
        assertThat(in.confirmations()).isLessThan(4);
        local.mine(1);
      }
      assertThat(state(outbox, "a")).isInstanceOf(Outbox.State.Done.class);
    }
    assertThat(paid()).isEqualTo(AMOUNT);
    assertThat(nonce()).isEqualTo(1);
  }

  /// Another program with the same key takes the nonce.
  private void takeNonce(long nonce) throws ChainException {
    Call other = new Call("other", Optional.of(key.address()), BigInteger.ONE, new byte[0]);
    BigInteger fee = Lab.GWEI.multiply(BigInteger.valueOf(90));
    Transaction.Signed signed =
        new Transaction(31_337, nonce, 21_000, new Transaction.Fee.Dynamic(fee, fee), other)
            .sign(key);
    assertThat(local.chain().send(signed.bytes())).isInstanceOf(Chain.Sent.Taken.class);
  }

  @Test
  void anotherUserOfTheKeyTakesTheNonce() throws Exception {
    try (Outbox outbox = open(3)) {
      outbox.submit("never", pay(), Outbox.Again.NEVER);
      outbox.submit("harmless", pay(), Outbox.Again.HARMLESS);
      takeNonce(0);
      takeNonce(1);
      local.mine(1);
      outbox.tick();
      // Not deep enough to be sure.
      assertThat(Outbox.describe(state(outbox, "never"))).contains("not yet for good");
      assertThat(Outbox.describe(state(outbox, "harmless"))).contains("not yet for good");
      local.mine(3);
      outbox.tick();
      assertThat(state(outbox, "never")).isEqualTo(new Outbox.State.Displaced(0));
      local.mine(4);
      outbox.tick();
      assertThat(state(outbox, "harmless")).isInstanceOf(Outbox.State.Done.class);
    }
    assertThat(paid()).isEqualTo(AMOUNT);
    assertThat(nonce()).isEqualTo(3);
  }

  /// Behind one address there may be several nodes, of which one is late.
  @Test
  void aReceiptThatIsMissingDoesNotProveThatAnotherTookTheNonce() throws Exception {
    try (Outbox outbox = open(1)) {
      outbox.submit("a", pay(), Outbox.Again.NEVER);
      local.mine(1);
      faulty.lie =
          (method, request, answer) -> {
            if (method.equals("eth_getTransactionReceipt")) {
              answer.putNull("result");
            }
          };
      outbox.tick();
      assertThat(Outbox.describe(state(outbox, "a"))).contains("its receipt is not there yet");
      // Nor does a node that has forgotten.
      faulty.lie =
          (method, request, answer) -> {
            if (method.equals("eth_getTransactionReceipt")) {
              answer.putNull("result");
            } else if (method.equals("eth_getTransactionCount")
                && request.path("params").path(1).asText().startsWith("0x")) {
              answer.remove("result");
              answer.putObject("error").put("code", -32_000).put("message", "missing trie node");
            }
          };
      local.mine(1);
      clock.pass(10 * 3_600_000);
      outbox.tick();
      assertThat(Outbox.describe(state(outbox, "a"))).contains("ask a node with an archive");
      faulty.lie = (method, request, answer) -> {};
      outbox.tick();
      assertThat(state(outbox, "a")).isInstanceOf(Outbox.State.Done.class);
    }
    assertThat(paid()).isEqualTo(AMOUNT);
    assertThat(nonce()).isEqualTo(1);
  }

  @Test
  void aGapThatAnotherUserLeftIsFilled() throws Exception {
    takeNonce(0);
    try (Outbox outbox = open(1)) {
      Outbox.State.Waiting ours =
          (Outbox.State.Waiting) outbox.submit("a", pay(), Outbox.Again.NEVER);
      assertThat(ours.nonce()).isEqualTo(1);
      local.raw("anvil_dropAllTransactions");
      outbox.tick();
      clock.pass(1_500);
      outbox.tick(); // fills
      local.mine(1);
      outbox.tick();
      local.mine(1);
      outbox.tick();
      assertThat(state(outbox, "a")).isInstanceOf(Outbox.State.Done.class);
      assertThat(outbox.pending()).isEmpty();
    }
    assertThat(paid()).isEqualTo(AMOUNT);
    assertThat(nonce()).isEqualTo(2);
  }

  @Test
  void feesAreRaisedUpToTheLimitAndWaitThere() throws Exception {
    try (Outbox outbox = open(1)) {
      Outbox.State.Waiting first =
          (Outbox.State.Waiting) outbox.submit("a", pay(), Outbox.Again.NEVER);
      local.baseFee(Lab.GWEI.multiply(BigInteger.valueOf(40)));
      local.mine(1);
      outbox.tick();
      assertThat(((Outbox.State.Waiting) state(outbox, "a")).attempts()).isOne(); // patience
      clock.pass(1_500);
      outbox.tick();
      Outbox.State.Waiting second = (Outbox.State.Waiting) state(outbox, "a");
      assertThat(second.attempts()).isEqualTo(2);
      assertThat(second.nonce()).isEqualTo(first.nonce());
      assertThat(second.transaction()).isNotEqualTo(first.transaction());

      // Dearer than is allowed: it waits, and new ones are not even signed.
      for (int i = 0; i < 20; i++) {
        local.baseFee(Lab.GWEI.multiply(BigInteger.valueOf(500)));
        local.mine(1);
        clock.pass(1_500);
        outbox.tick();
      }
      assertThat(Outbox.describe(state(outbox, "a"))).contains("most that is allowed");
      assertThatThrownBy(() -> outbox.submit("b", pay(), Outbox.Again.NEVER))
          .isInstanceOfSatisfying(
              ChainException.class, e -> assertThat(e.kind()).isEqualTo(ChainException.Kind.DEAR));
      assertThat(outbox.state("b")).isEmpty();

      local.baseFee(Lab.GWEI);
      local.mine(1);
      outbox.tick(); // the node had thrown it away
      local.mine(1);
      outbox.tick();
      assertThat(state(outbox, "a")).isInstanceOf(Outbox.State.Done.class);
    }
    assertThat(paid()).isEqualTo(AMOUNT);
    assertThat(nonce()).isEqualTo(1);
  }

  @Test
  void whoCannotPayTheGasIsToldWhatIsMissing() throws Exception {
    local.fund(key.address(), BigInteger.valueOf(12_345));
    try (Outbox outbox = open(1)) {
      Call little = new Call("pay", Optional.of(payee), BigInteger.ONE, new byte[0]);
      assertThatThrownBy(() -> outbox.submit("a", little, Outbox.Again.NEVER))
          .hasMessageContaining("0.000000000000012345")
          .hasMessageContaining("send it some")
          .isInstanceOfSatisfying(
              ChainException.class, e -> assertThat(e.kind()).isEqualTo(ChainException.Kind.POOR));
      assertThat(outbox.state("a")).isEmpty();
    }
  }

  // ---- the machine dies -------------------------------------------------------------------------

  /// A program that submits one payment and stops between journal and network, or after it.
  static final class Sender {
    public static void main(String[] args) throws Exception {
      Chain chain = Chain.connect(List.of(URI.create(args[0])), OptionalLong.of(31_337));
      boolean before = args[2].equals("before");
      Outbox outbox =
          Outbox.open(
              Path.of(args[1]),
              chain,
              Lab.key(7),
              new Outbox.Rules(CAP, 1, 1_000),
              InstantSource.system(),
              () -> {
                if (before) {
                  waitToBeKilled();
                }
              });
      outbox.submit(
          "a",
          new Call("pay", Optional.of(Lab.key(8).address()), AMOUNT, new byte[0]),
          Outbox.Again.NEVER);
      waitToBeKilled();
    }

    private static void waitToBeKilled() {
      System.out.println("here");
      try {
        System.in.read(); // nothing comes
      } catch (IOException e) {
        throw new AssertionError(e);
      }
    }
  }

  private void killASender(String when) throws Exception {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Sender.class.getName(),
                local.rpc().toString(),
                folder.resolve("outbox").toString(),
                when)
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try (BufferedReader out = process.inputReader(StandardCharsets.UTF_8)) {
      assertThat(out.readLine()).isEqualTo("here");
    } finally {
      process.destroyForcibly(); // SIGKILL
    }
    assertThat(process.waitFor(10, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue()).isEqualTo(137);
  }

  @Test
  void killedBetweenJournalAndNetworkItIsSentAtTheNextStart() throws Exception {
    killASender("before");
    assertThat(nonce()).isZero();
    try (Outbox outbox = open(1)) {
      assertThat(outbox.pending()).containsOnlyKeys("a");
      outbox.submit("a", pay(), Outbox.Again.NEVER);
      outbox.tick(); // sends
      local.mine(1);
      outbox.tick();
      assertThat(state(outbox, "a")).isInstanceOf(Outbox.State.Done.class);
    }
    assertThat(paid()).isEqualTo(AMOUNT);
    assertThat(nonce()).isEqualTo(1);
  }

  @Test
  void killedAfterSendingItIsNotSentTwice() throws Exception {
    killASender("after");
    local.mine(1);
    assertThat(nonce()).isEqualTo(1);
    try (Outbox outbox = open(1)) {
      outbox.submit("a", pay(), Outbox.Again.NEVER);
      outbox.tick();
      assertThat(state(outbox, "a")).isInstanceOf(Outbox.State.Done.class);
    }
    assertThat(paid()).isEqualTo(AMOUNT);
    assertThat(nonce()).isEqualTo(1);
  }

  @Test
  void aLineThatWasCutOffIsDroppedAndOtherDamageIsToldWithItsLine() throws Exception {
    try (Outbox outbox = open(1)) {
      outbox.submit("a", pay(), Outbox.Again.NEVER);
      assertThatThrownBy(() -> open(1)).hasMessageContaining("in use");
    }
    Path file = folder.resolve("outbox");
    byte[] whole = Files.readAllBytes(file);
    Files.writeString(file, "{\"t\":\"signed\",\"na", StandardOpenOption.APPEND);
    open(1).close();
    assertThat(Files.readAllBytes(file)).isEqualTo(whole);

    byte[] bent = whole.clone();
    bent[bent.length - 10] = '\n';
    Files.write(file, bent);
    assertThatThrownBy(() -> open(1)).hasMessageContaining("damaged in line 2");

    Files.write(file, whole);
    assertThatThrownBy(
            () -> Outbox.open(file, chain, Lab.key(9), new Outbox.Rules(CAP, 1, 1_000), clock))
        .hasMessageContaining("not of " + Lab.key(9).address());
  }

  // ---- the node lies, stalls, is down -----------------------------------------------------------

  private static void isKind(ChainException.Kind kind, String part, ThrowingCall call) {
    assertThatThrownBy(call::run)
        .isInstanceOfSatisfying(
            ChainException.class, e -> assertThat(e.kind()).as(e.text()).isEqualTo(kind))
        .hasMessageContaining(part);
  }

  private interface ThrowingCall {
    void run() throws Exception;
  }

  @Test
  void aNodeThatIsDownForAnHourLosesNothing() throws Exception {
    try (Outbox outbox = open(1)) {
      outbox.submit("a", pay(), Outbox.Again.NEVER);
      for (FaultyNode.Fault fault :
          List.of(
              new FaultyNode.Fault.LoseRequest(),
              new FaultyNode.Fault.LoseAnswer(),
              new FaultyNode.Fault.Status(503),
              new FaultyNode.Fault.Status(429),
              new FaultyNode.Fault.Stall())) {
        faulty.mood = request -> fault;
        isKind(ChainException.Kind.UNREACHABLE, "the node at http://127.0.0.1", outbox::tick);
        isKind(
            ChainException.Kind.UNREACHABLE,
            "the node at",
            () -> outbox.submit("b", pay(), Outbox.Again.NEVER));
        assertThat(outbox.state("b")).isEmpty();
        clock.pass(12 * 60_000);
      }
      faulty.mood = request -> new FaultyNode.Fault.None();
      local.mine(1);
      outbox.tick();
      assertThat(state(outbox, "a")).isInstanceOf(Outbox.State.Done.class);
    }
    assertThat(paid()).isEqualTo(AMOUNT);
    assertThat(nonce()).isEqualTo(1);
  }

  @Test
  void aNodeOfAnotherChainIsNotBelieved() throws Exception {
    try (Outbox outbox = open(1)) {
      outbox.submit("a", pay(), Outbox.Again.NEVER);
      faulty.lie =
          (method, request, answer) -> {
            if (method.equals("eth_chainId")) {
              answer.put("result", "0x1");
            }
          };
      isKind(ChainException.Kind.WRONG_CHAIN, "is of chain 1, not of chain 31337", outbox::tick);
      isKind(ChainException.Kind.WRONG_CHAIN, "of chain 1", () -> connect(faulty.url()).close());
      assertThat(state(outbox, "a").isFinal()).isFalse();
    }
  }

  @Test
  void liesAboutTransactionsAreNotBelieved() throws Exception {
    record Case(String method, Consumer<ObjectNode> change, String said) {}
    String other = "0x" + "11".repeat(32);
    List<Case> cases =
        List.of(
            new Case(
                "eth_getTransactionReceipt",
                r -> r.put("transactionHash", other),
                "receipt of another transaction"),
            new Case(
                "eth_getTransactionReceipt",
                r -> r.put("from", "0x" + "22".repeat(20)),
                "receipt of another transaction"),
            new Case(
                "eth_getTransactionReceipt",
                r -> r.put("gasUsed", "0xffffff"),
                "receipt of another transaction"),
            new Case(
                "eth_getTransactionReceipt", r -> r.put("status", "0x7"), "whether a transaction"),
            new Case(
                "eth_getTransactionReceipt",
                r -> r.put("blockNumber", "0x" + "f".repeat(40)),
                "impossible number"),
            new Case(
                "eth_getBlockByNumber", r -> r.putArray("transactions"), "its block is without it"),
            new Case(
                "eth_getBlockByNumber",
                r -> r.put("number", "0x" + "f".repeat(64)),
                "impossible number"),
            new Case("eth_getBlockByNumber", r -> r.put("hash", "0x12"), "where a hash belongs"),
            new Case("eth_getBlockByNumber", r -> r.remove("hash"), "where bytes belong"));
    try (Outbox outbox = open(1)) {
      outbox.submit("a", pay(), Outbox.Again.NEVER);
      local.mine(1);
      for (Case one : cases) {
        faulty.lie =
            (method, request, answer) -> {
              if (method.equals(one.method()) && answer.get("result") instanceof ObjectNode r) {
                one.change().accept(r);
              }
            };
        isKind(ChainException.Kind.UNTRUSTED, one.said(), outbox::tick);
        assertThat(state(outbox, "a").isFinal()).isFalse();
      }
      // A receipt that names a block which is none: it only waits.
      faulty.lie =
          (method, request, answer) -> {
            if (method.equals("eth_getTransactionReceipt")
                && answer.get("result") instanceof ObjectNode r) {
              r.put("blockHash", other);
            }
          };
      outbox.tick();
      assertThat(Outbox.describe(state(outbox, "a"))).contains("do not agree yet");
      // A nonce that cannot be.
      faulty.lie =
          (method, request, answer) -> {
            if (method.equals("eth_getTransactionCount")
                && request.path("params").path(1).asText().equals("pending")) {
              answer.put("result", "0xffffff");
            }
          };
      isKind(
          ChainException.Kind.UNTRUSTED,
          "which cannot be",
          () -> outbox.submit("b", pay(), Outbox.Again.NEVER));
      // Another answer than to the question; no JSON; far too much.
      faulty.lie = (method, request, answer) -> answer.put("id", 999_999);
      isKind(ChainException.Kind.UNTRUSTED, "another question", outbox::tick);
      faulty.lie = (method, request, answer) -> answer.remove(List.of("result", "error"));
      isKind(ChainException.Kind.UNTRUSTED, "neither a result nor an error", outbox::tick);
      faulty.lie = (method, request, answer) -> {};
      faulty.mood =
          request -> new FaultyNode.Fault.Garbage("<html>".getBytes(StandardCharsets.UTF_8));
      isKind(ChainException.Kind.UNTRUSTED, "not JSON", outbox::tick);
      faulty.mood = request -> new FaultyNode.Fault.Garbage(new byte[Limits.ANSWER_BYTES + 1]);
      isKind(ChainException.Kind.REFUSED, "more than " + Limits.ANSWER_BYTES, outbox::tick);

      faulty.mood = request -> new FaultyNode.Fault.None();
      outbox.tick();
      assertThat(state(outbox, "a")).isInstanceOf(Outbox.State.Done.class);
    }
    assertThat(paid()).isEqualTo(AMOUNT);
    assertThat(nonce()).isEqualTo(1);
  }

  @Test
  void nodesMustAgree() throws Exception {
    try (FaultyNode second = new FaultyNode(local.rpc());
        FaultyNode third = new FaultyNode(local.rpc());
        Chain three = connect(faulty.url(), second.url(), third.url())) {
      try (Outbox outbox =
          Outbox.open(
              folder.resolve("three"), three, key, new Outbox.Rules(CAP, 1, 1_000), clock)) {
        // One that is down does not matter; two do.
        second.mood = request -> new FaultyNode.Fault.LoseRequest();
        outbox.submit("a", pay(), Outbox.Again.NEVER);
        local.mine(1);
        third.mood = request -> new FaultyNode.Fault.LoseRequest();
        isKind(ChainException.Kind.UNREACHABLE, "the node at", outbox::tick);
        third.mood = request -> new FaultyNode.Fault.None();
        second.mood = request -> new FaultyNode.Fault.None();
        // One that says another block hash stops everything.
        third.lie =
            (method, request, answer) -> {
              if (method.equals("eth_getBlockByNumber")
                  && answer.get("result") instanceof ObjectNode r) {
                r.put("hash", "0x" + "33".repeat(32));
              }
            };
        isKind(ChainException.Kind.UNTRUSTED, "contradict each other", outbox::tick);
        third.lie = (method, request, answer) -> {};
        outbox.tick();
        assertThat(state(outbox, "a")).isInstanceOf(Outbox.State.Done.class);
      }
    }
    assertThat(paid()).isEqualTo(AMOUNT);
  }

  @Test
  void addressesWithoutTlsAreRefusedBeyondThisMachine() {
    isKind(
        ChainException.Kind.INPUT,
        "no TLS",
        () -> connect(URI.create("http://rpc.example.org")).close());
    isKind(
        ChainException.Kind.INPUT,
        "is no RPC address",
        () -> connect(URI.create("ftp://127.0.0.1")).close());
  }

  /// Everything at once, from one seed: many payments, a node that loses questions and answers,
  /// drops, reorganisations, dear gas, restarts. In the end each was paid once.
  @Test
  void whateverHappensEachPaymentIsMadeOnce() throws Exception {
    long seed = 1_003;
    System.out.println("OutboxTest seed " + seed);
    Random random = new Random(seed);
    Random moods = new Random(seed + 1);
    int payments = 12;
    List<Address> payees = new ArrayList<>();
    for (int i = 0; i < payments; i++) {
      payees.add(Lab.key(1_000 + i).address());
    }
    faulty.mood =
        request -> {
          synchronized (moods) {
            return switch (moods.nextInt(30)) {
              case 0 -> new FaultyNode.Fault.LoseRequest();
              case 1 -> new FaultyNode.Fault.LoseAnswer();
              case 2 -> new FaultyNode.Fault.Status(502);
              default -> new FaultyNode.Fault.None();
            };
          }
        };
    Outbox outbox = open(5);
    try {
      for (int step = 0; step < 120; step++) {
        int i = random.nextInt(payments);
        switch (random.nextInt(10)) {
          case 0, 1, 2 -> {
            try {
              outbox.submit("pay-" + i, toward(payees.get(i)), Outbox.Again.NEVER);
            } catch (ChainException e) {
              // Asked again later, under the same name.
            }
          }
          case 3, 4, 5 -> local.mine(1 + random.nextInt(2));
          case 6 -> local.raw("anvil_dropAllTransactions");
          case 7 -> {
            int depth = 1 + random.nextInt(3);
            if (local.chain().head().number() > depth) {
              local.reorganise(depth);
            }
          }
          case 8 -> {
            outbox.close();
            outbox = open(5);
          }
          default -> clock.pass(random.nextInt(3_000));
        }
        tick(outbox);
      }
      faulty.mood = request -> new FaultyNode.Fault.None();
      for (int i = 0; i < payments; i++) {
        outbox.submit("pay-" + i, toward(payees.get(i)), Outbox.Again.NEVER);
      }
      for (int round = 0; round < 200 && !outbox.pending().isEmpty(); round++) {
        local.mine(1);
        clock.pass(500);
        outbox.tick();
      }
      for (int i = 0; i < payments; i++) {
        assertThat(state(outbox, "pay-" + i))
            .as("seed %d payment %d", seed, i)
            .isInstanceOf(Outbox.State.Done.class);
        assertThat(local.chain().balance(payees.get(i), At.latest()))
            .as("seed %d payment %d", seed, i)
            .isEqualTo(AMOUNT);
      }
    } finally {
      outbox.close();
    }
  }

  private static Call toward(Address payee) {
    return new Call("pay", Optional.of(payee), AMOUNT, new byte[0]);
  }

  private static void tick(Outbox outbox) {
    try {
      outbox.tick();
    } catch (ChainException e) {
      assertThat(e.kind())
          .as(e.text())
          .isIn(ChainException.Kind.UNREACHABLE, ChainException.Kind.UNTRUSTED);
    }
  }

  @Test
  void anEmptyListOfNodesIsRefused() {
    isKind(
        ChainException.Kind.INPUT,
        "RPC addresses",
        () -> Chain.connect(List.of(), OptionalLong.empty()).close());
  }
}

package dev.perseid.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.chain.Anvil;
import dev.perseid.chain.LocalChain;
import dev.perseid.chain.Settlement;
import dev.perseid.core.Entry;
import dev.perseid.core.EntryCodec;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.core.Outcome;
import dev.perseid.core.Usage;
import dev.perseid.journal.Merkle;
import dev.perseid.node.MoneyTerms;
import dev.perseid.node.PoolConfig;
import dev.perseid.node.PoolNode;
import dev.perseid.node.ProviderConfig;
import dev.perseid.node.ProviderNode;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// `perseid court` against a real node with the real contracts: an honest pool that runs, and pools
/// that lie with their own keys.
class CourtCommandsTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final long DAY_S = 24 * 3_600;
  private static final String NO_CASE = "0x" + "5".repeat(64);

  @TempDir Path folder;

  private LocalChain local;
  private Home home;
  private Key pool;

  /// A chain with the contracts, a registered pool with a bond, and a consumer with gas.
  @BeforeEach
  void start() throws Exception {
    String path = Optional.ofNullable(System.getenv("PATH")).orElse("");
    local =
        switch (Anvil.find(Anvil.cache(), path, note -> {})) {
          case Anvil.Found.Ready(Anvil anvil) ->
              LocalChain.start(anvil, LocalChain.Options.INSTANT);
          case Anvil.Found.Missing(String why) -> throw new AssertionError(why);
        };
    home = Home.of(environment());
    pool = home.key("pool");
    done("chain", "faucet", "0", "--key", "consumer");
    done("chain", "deploy");
    done("chain", "faucet", "1000", "--key", "pool");
    done("chain", "register", "--key", "pool");
    done("chain", "bond", "1000", "--key", "pool");
  }

  @AfterEach
  void stop() {
    local.close();
  }

  private Map<String, String> environment() {
    return Map.of(
        "PERSEID_HOME", folder.resolve("home").toString(), "PERSEID_RPC", local.rpc().toString());
  }

  private Ran run(String... arguments) {
    return Ran.of(environment(), arguments);
  }

  private Ran done(String... arguments) {
    Ran ran = run(arguments);
    assertThat(ran.exit()).as("%s: %s", List.of(arguments), ran).isZero();
    return ran;
  }

  private Ran refused(int exit, String said, String... arguments) {
    Ran ran = run(arguments);
    assertThat(ran.exit()).as("%s: %s", List.of(arguments), ran).isEqualTo(exit);
    assertThat(ran.err()).contains(said);
    return ran;
  }

  private long bonded() throws IOException {
    return done("court", "status", "--of", pool.address().toString(), "--json")
        .json()
        .path("bonded")
        .asLong();
  }

  // ---- an honest pool ---------------------------------------------------------------------------

  @Test
  void anHonestPoolShowsWhatItIsAskedFor() throws Exception {
    Path deployment = folder.resolve("home/chain/deployment.json");
    MoneyTerms terms =
        new MoneyTerms(
            Optional.of(
                new MoneyTerms.ChainAt(
                    List.of(local.rpc()), deployment, Optional.empty(), BigInteger.TEN.pow(11), 1)),
            Duration.ofDays(1).toMillis(),
            1,
            1);
    PoolConfig config = PoolConfig.usual(folder.resolve("pool"), pool).withMoney(terms);
    try (PoolNode node = PoolNode.start(config);
        ProviderNode _ =
            ProviderNode.start(
                ProviderConfig.of(
                        home.key("provider"),
                        ProviderConfig.PoolAt.of("127.0.0.1", node.port(), pool.address()),
                        folder.resolve("provider"))
                    .unmeasured()
                    .isolationPreferred(),
                line -> {})) {
      String at = "--pool=127.0.0.1:" + node.port() + "@" + node.address();
      // Before the move, which reads all purses: nothing has to be waited for.
      done("chain", "faucet", "60", "--key", "consumer");
      done("chain", "deposit", "60", "--pool", pool.address().toString());
      done("pool", "move", "--yes", at);
      Files.copy(Path.of("../examples/modules/burn.wasm"), folder.resolve("burn.wasm"));
      String file =
          Files.writeString(
                  folder.resolve("job.yaml"),
                  """
                  name: burning
                  budget_microcredits: 1000000
                  verification: none
                  tasks:
                    - {name: each, count: 4, module: burn.wasm, args: "1000 10"}
                  """)
              .toString();
      String first = done("run", file, at, "--json").json().path("job").asText();

      // Not yet committed, committed, and committed together with what came later.
      String early = folder.resolve("early.jsonl").toString();
      done("receipts", first, "-o", early, at);
      Ran waiting = done("court", "check", early);
      assertThat(waiting.out()).contains("4 not yet committed").contains("perseid court challenge");
      assertThat(done("court", "check", early, "--offline").out())
          .contains("4 not held against a chain");
      done("pool", "settle", at);
      Ran committed = done("court", "check", early);
      assertThat(committed.out())
          .contains("4 receipts, 4 records: 4 included")
          .contains("in the root of epoch 1, of 4 records");
      refused(
          Exit.USAGE,
          "the pool would answer, and keep your deposit",
          "court",
          "challenge",
          early,
          "--record",
          "2");
      refused(Exit.FAILED, "nothing here contradicts itself", "court", "report", early);

      String second = done("run", file, at, "--json").json().path("job").asText();
      String late = folder.resolve("late.jsonl").toString();
      done("receipts", first, "-o", late, at);
      JsonNode unproved = done("court", "check", late, "--json").json();
      assertThat(unproved.path("unproved").asInt()).isEqualTo(4);
      assertThat(unproved.path("records").get(0).path("next").asText())
          .contains("perseid receipts " + first + " --at-size 4 ");
      String sized = folder.resolve("sized.jsonl").toString();
      done("receipts", first, "--at-size", "4", "-o", sized, at);
      JsonNode together = done("court", "check", late, sized, "--json").json();
      assertThat(together.path("receipts").asInt()).isEqualTo(8);
      assertThat(together.path("included").asInt()).isEqualTo(4);
      refused(
          Exit.REFUSED, "was never 99 long", "receipts", first, "--at-size", "99", "-o", "-", at);

      // Whoever has no proof at hand asks, and the pool shows it.
      refused(Exit.USAGE, "receipts of 4 records; write --record N", "court", "challenge", late);
      refused(
          Exit.USAGE, "has no receipt of record 77", "court", "challenge", late, "--record", "77");
      assertThat(done("court", "challenge", late, "--record", "1", "--dry-run").out())
          .contains("nothing was sent");
      JsonNode asked = done("court", "challenge", late, "--record", "1", "--json").json();
      String id = asked.path("case").asText();
      assertThat(asked.path("deadline_s").asLong())
          .isGreaterThanOrEqualTo(local.chain().head().timeS() + 4 * DAY_S - 60);
      refused(Exit.USAGE, "was asked for before", "court", "challenge", late, "--record", "1");
      assertThat(done("court", "check", late).out())
          .contains("1 challenged")
          .contains("3 unproved");
      refused(Exit.REFUSED, "too early: wait until", "court", "convict", id);
      // Of the second job nothing is committed: that can be asked for too.
      String other = folder.resolve("other.jsonl").toString();
      done("receipts", second, "-o", other, at);
      String young =
          done("court", "challenge", other, "--record", "6", "--json").json().path("case").asText();
      assertThat(done("court", "status").out())
          .contains(id)
          .contains(young)
          .contains("the pool has until")
          .contains("owed to " + home.key("consumer").address() + ": nothing");

      refused(Exit.USAGE, "is the key of no pool", "court", "answer", at);
      refused(Exit.REFUSED, "", "court", "answer", id, at);
      Ran half = refused(Exit.FAILED, "perseid pool settle", "court", "answer", "--key=pool", at);
      assertThat(half.out()).contains("1 record shown, 1 left");
      done("pool", "settle", at);
      assertThat(done("court", "answer", young, "--key", "pool", at).out())
          .contains("1 record shown");
      assertThat(done("court", "answer", "--key", "pool", at).out())
          .contains("nobody waits for an answer");
      refused(Exit.USAGE, "does not wait for an answer", "court", "answer", id, "--key=pool", at);
      refused(Exit.USAGE, "nobody is guilty", "court", "convict", id);
      assertThat(done("court", "check", late).out())
          .contains("of 8 records")
          .contains("4 included");
      String between = folder.resolve("between.jsonl").toString();
      done("receipts", first, "--at-size", "7", "-o", between, at);
      assertThat(done("court", "check", between).out())
          .contains("shown by the pool to the court")
          .contains("1 included, 3 unproved");
      assertThat(done("court", "status", id).out()).contains("shown by the pool");
      assertThat(done("court", "collect", "--key", "pool").out()).contains("collected 0.002 ETH");
      assertThat(done("court", "collect", "--key", "pool").out()).contains("nothing is owed");
      assertThat(bonded()).isEqualTo(1_000_000_000);
    }
  }

  // ---- pools that lie ---------------------------------------------------------------------------

  /// An entry of the pool's log; others have another word in them.
  private Entry entry(long index, String word) {
    long nowUs = 1_790_000_000_000_000L + index;
    ExecutionRecord record =
        new ExecutionRecord(
            pool.address(),
            new JobId(5, 7),
            0,
            word,
            "burn",
            1,
            300,
            home().address(),
            home().address(),
            new Hash(1, 1, 1, 1),
            new Hash(2, 2, 2, 2),
            new Hash(3, 3, 3, 3),
            List.of(),
            List.of(),
            1_000,
            1_000,
            1,
            nowUs,
            nowUs,
            nowUs,
            OptionalLong.empty(),
            OptionalLong.empty(),
            Outcome.LOST,
            "gone",
            Usage.UNMEASURED,
            List.of(),
            "",
            "",
            0);
    return new Entry(index, nowUs, record, new Entry.Attestation.PoolOnly());
  }

  private Key home() {
    try {
      return home.key("consumer");
    } catch (BadInput e) {
      throw new AssertionError(e);
    }
  }

  private static List<Hash> leaves(List<Entry> log) {
    return log.stream().map(e -> Merkle.leafHash(EntryCodec.encode(e))).toList();
  }

  /// A receipt that the pool's own key signs, of whatever log.
  private Path receipt(String name, List<Entry> log, int index) throws IOException {
    Entry entry = log.get(index);
    Hash root = Merkle.root(leaves(log));
    long timeUs = 1_790_000_000_000_000L;
    ObjectNode doc = JSON.createObjectNode();
    doc.put("perseid_receipt", 1);
    doc.put("entry", HexFormat.of().formatHex(EntryCodec.encode(entry)));
    ObjectNode head = doc.putObject("log");
    head.put("pool", pool.address().toString()).put("index", index).put("size", log.size());
    head.put("root", root.hex()).put("time_us", timeUs);
    ArrayNode path = head.putArray("path");
    Merkle.path(leaves(log), index).forEach(h -> path.add(h.hex()));
    head.put("signature", pool.sign(Digests.treeHead(pool.address(), root, log.size(), timeUs)));
    return Files.writeString(folder.resolve(name + ".json"), JSON.writeValueAsString(doc));
  }

  /// Has the pool commit a log.
  private void commit(long epoch, List<Entry> log) throws IOException {
    Settlement settlement =
        new Settlement(
            epoch,
            List.of(),
            0,
            List.of(),
            List.of(),
            pool.address(),
            log.size(),
            Merkle.root(leaves(log)));
    Path file = folder.resolve("settlement-" + epoch + ".json");
    Files.writeString(file, settlement.toJson());
    done("chain", "settle", file.toString(), "--key", "pool");
  }

  private List<Entry> log(String... words) {
    List<Entry> all = new ArrayList<>();
    for (String word : words) {
      all.add(entry(all.size(), word));
    }
    return all;
  }

  @Test
  void aPoolThatOmitsARecordIsConvicted() throws Exception {
    Path receipt = receipt("mine", log("a", "mine", "c"), 1);
    commit(1, log("a", "another", "c", "d"));
    Ran checked = done("court", "check", receipt.toString());
    assertThat(checked.out())
        .contains("1 unproved")
        .contains("--at-size 4")
        .contains("perseid court challenge " + receipt + " --record 1");
    String id =
        done("court", "challenge", receipt.toString(), "--json").json().path("case").asText();
    // It does not answer: its log has nothing to show.
    local.pass(4 * DAY_S + 1);
    Ran overdue = refused(Exit.FAILED, "", "court", "check", receipt.toString());
    assertThat(overdue.out()).contains("1 omitted").contains("perseid court convict " + id);
    assertThat(done("court", "answer", "--key", "pool", "--pool=127.0.0.1:1").out())
        .contains("nobody waits");
    assertThat(done("court", "status", id).out()).contains("next: perseid court convict");

    // Anybody may convict it; what it brings goes to who asked.
    done("chain", "faucet", "0", "--key", "passer");
    JsonNode verdict = done("court", "convict", id, "--key", "passer", "--json").json();
    assertThat(verdict.path("permille").asInt()).isEqualTo(500);
    assertThat(verdict.path("bonded").asLong()).isEqualTo(500_000_000);
    assertThat(verdict.path("reporter").asText()).isEqualTo(home().address().toString());
    assertThat(bonded()).isEqualTo(500_000_000);
    Ran again = done("court", "convict", id);
    assertThat(again.err()).contains("enforced before");
    assertThat(bonded()).isEqualTo(500_000_000);
    Ran status = done("court", "status");
    assertThat(status.out())
        .contains("convicted: 50 % of its bond")
        .contains("owed to " + home().address() + ": 0.001 ETH, 50 ");
    JsonNode collected = done("court", "collect", "--json").json();
    assertThat(collected.path("collected").asLong()).isEqualTo(50_000_000);
    assertThat(collected.path("collected_wei").asText()).isEqualTo("1000000000000000");
    assertThat(done("chain", "status", "--json").json().path("balance").asLong())
        .isEqualTo(50_000_000);
    Ran after = refused(Exit.FAILED, "", "court", "check", receipt.toString());
    assertThat(after.out()).contains("the pool is convicted");
  }

  @Test
  void aPoolThatContradictsItselfIsConvictedAtOnce() throws Exception {
    // Two roots for three records: one for each of two consumers.
    Path mine = receipt("mine", log("a", "b", "c"), 0);
    Path yours = receipt("yours", log("a", "b", "other"), 0);
    Ran offline =
        refused(Exit.FAILED, "", "court", "check", "--offline", mine + "", yours.toString());
    assertThat(offline.out())
        .contains("two roots for its log of 3 records")
        .contains("equivocated");
    assertThat(done("court", "check", mine.toString()).out()).contains("1 not yet committed");
    Ran checked = refused(Exit.FAILED, "", "court", "check", mine.toString(), yours.toString());
    assertThat(checked.out()).contains("perseid court report " + mine + " " + yours);
    assertThat(done("court", "report", mine.toString(), yours.toString(), "--dry-run").err())
        .contains("would send: report an equivocation");
    assertThat(bonded()).isEqualTo(1_000_000_000);
    JsonNode verdict = done("court", "report", mine.toString(), yours.toString(), "--json").json();
    assertThat(verdict.path("permille").asInt()).isEqualTo(1_000);
    assertThat(verdict.path("bonded").asLong()).isZero();
    assertThat(done("court", "report", yours.toString(), mine.toString()).err())
        .contains("convicted of this before")
        .contains("enforced before");
    assertThat(done("court", "collect").out()).contains("collected 100 ");

    // The bond is the same for all: what follows is a new one.
    done("chain", "faucet", "200", "--key", "pool");
    done("chain", "bond", "100", "--key", "pool");
    // Two records at one index, in logs of different sizes.
    Path short1 = receipt("short", log("a", "b"), 1);
    Path long1 = receipt("long", log("a", "x", "c", "d"), 1);
    Ran forked = done("court", "report", short1.toString(), long1.toString());
    assertThat(forked.err()).contains("two different records at index 1");
    assertThat(bonded()).isZero();
    refused(
        Exit.USAGE,
        "is reported, not asked for",
        "court",
        "challenge",
        joined(short1, long1),
        "--record",
        "1");

    // Signed one root, committed another.
    done("chain", "bond", "100", "--key", "pool");
    commit(1, log("a", "b", "c", "d", "committed"));
    Path signed = receipt("signed", log("a", "b", "c", "d", "signed"), 2);
    Ran against = refused(Exit.FAILED, "", "court", "check", signed.toString());
    assertThat(against.out()).contains("committed in epoch 1").contains("1 equivocated");
    done("court", "report", signed.toString());
    assertThat(bonded()).isZero();
    assertThat(done("court", "status", "--of", pool.address().toString()).out())
        .contains("convicted: 100 % of its bond");
  }

  private String joined(Path... files) throws IOException {
    StringBuilder all = new StringBuilder();
    for (Path file : files) {
      all.append(Files.readString(file)).append('\n');
    }
    return Files.writeString(folder.resolve("joined.jsonl"), all).toString();
  }

  // ---- wrong input ------------------------------------------------------------------------------

  @Test
  void wrongInputGetsAPlainWord() throws Exception {
    Path receipt = receipt("mine", log("a", "b"), 1);
    refused(Exit.USAGE, "cannot be read", "court", "check", folder.resolve("none") + "");
    Path junk = Files.writeString(folder.resolve("junk.json"), "[1]");
    refused(Exit.USAGE, "this is no receipt", "court", "check", junk.toString());
    refused(Exit.USAGE, "64 hexadecimal digits", "court", "convict", "0x12");
    refused(Exit.USAGE, "knows no case", "court", "convict", NO_CASE);
    refused(Exit.USAGE, "has no case", "court", "status", NO_CASE);
    refused(Exit.USAGE, "was never asked for", "court", "answer", NO_CASE, "--key", "pool");
    assertThat(done("court", "status").out()).contains("no cases in the last 30 days");

    // A signature that is not the pool's proves nothing, in the pool's name or another.
    Path forged = folder.resolve("forged.json");
    Files.writeString(
        forged, Files.readString(receipt).replaceFirst("\"time_us\":\\d+", "\"time_us\":5"));
    Ran wrong = refused(Exit.FAILED, "", "court", "check", forged.toString());
    assertThat(wrong.out()).contains("receipt 1 is WRONG: the log's head is not signed");
    refused(Exit.USAGE, "proves nothing: the log's head", "court", "challenge", forged.toString());
    refused(Exit.FAILED, "proves nothing", "court", "report", forged.toString());

    // A pool that is not registered on this chain answers for nothing here.
    pool = home.key("stranger");
    Path strange = receipt("strange", log("a", "b"), 0);
    assertThat(done("court", "check", strange.toString()).out()).contains("nobody answers for");
    refused(Exit.USAGE, "nobody answers for the log key", "court", "challenge", strange.toString());
    Path other = receipt("other", log("a", "c"), 0);
    refused(
        Exit.USAGE, "nobody answers for", "court", "report", strange.toString(), other.toString());
  }
}

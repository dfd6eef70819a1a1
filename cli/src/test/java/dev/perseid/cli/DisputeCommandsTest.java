package dev.perseid.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.chain.Anvil;
import dev.perseid.chain.LocalChain;
import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Entry;
import dev.perseid.core.EntryCodec;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.core.Outcome;
import dev.perseid.core.Usage;
import dev.perseid.journal.Merkle;
import dev.perseid.sandbox.Execution;
import dev.perseid.sandbox.Portable;
import dev.perseid.sandbox.RunLimits;
import dev.perseid.sandbox.Sandbox;
import dev.perseid.sandbox.SandboxConfig;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// `perseid dispute` against a real node, with a real module.
class DisputeCommandsTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Path MODULE = Path.of("..", "examples", "modules", "burn.wasm");
  private static final String ARGS = "40000000 3000";
  private static final long GAS = 1L << 40;
  private static final long MEMORY = 16L << 20;
  private static final int ARBITERS = 4;
  private static final long DAY_S = 24 * 3_600;

  @TempDir Path folder;

  private LocalChain local;

  @BeforeEach
  void start() throws Exception {
    String path = Optional.ofNullable(System.getenv("PATH")).orElse("");
    local =
        switch (Anvil.find(Anvil.cache(), path, note -> {})) {
          case Anvil.Found.Ready(Anvil anvil) ->
              LocalChain.start(anvil, LocalChain.Options.INSTANT);
          case Anvil.Found.Missing(String why) -> throw new AssertionError(why);
        };
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
    assertThat(ran.exit()).as("%s", ran).isZero();
    return ran;
  }

  private void refused(int exit, String said, String... arguments) {
    Ran ran = run(arguments);
    assertThat(ran.exit()).as("%s", ran).isEqualTo(exit);
    assertThat(ran.err()).contains(said);
  }

  /// A command about the disputed task.
  private String[] about(Path receipt, String... command) {
    List<String> all = new ArrayList<>(List.of("dispute"));
    all.addAll(List.of(command));
    all.addAll(
        List.of(
            "--receipt",
            receipt.toString(),
            "--module",
            MODULE.toString(),
            "--args",
            ARGS,
            "--json"));
    return all.toArray(String[]::new);
  }

  /// The outputs and gas of a run.
  private Execution truth() throws Exception {
    try (Sandbox sandbox =
        Sandbox.open(SandboxConfig.in(folder.resolve("truth")).withSlots(1).withMaxChildren(1))) {
      Portable task =
          new Portable(
              1,
              "consumer",
              MODULE.toAbsolutePath(),
              Hash.sha256(Files.readAllBytes(MODULE)).bytes(),
              ARGS.getBytes(StandardCharsets.UTF_8),
              List.of(),
              1,
              new RunLimits(GAS, MEMORY, 1 << 20, 60_000));
      return sandbox.run(task).get(60, TimeUnit.SECONDS);
    }
  }

  /// A receipt without the pool's part.
  private Path receipt(String name, Key provider, Address consumer, List<Blob> outputs, long gas)
      throws Exception {
    long nowUs = local.chain().head().timeS() * 1_000_000;
    ExecutionRecord record =
        new ExecutionRecord(
            provider.address(),
            new JobId(5, name.hashCode()),
            0,
            "burn-1",
            "burn",
            1,
            300,
            consumer,
            provider.address(),
            new Hash(1, 1, 1, 1),
            Hash.sha256(Files.readAllBytes(MODULE)),
            Hash.sha256(ARGS.getBytes(StandardCharsets.UTF_8)),
            List.of(),
            List.of(),
            GAS,
            MEMORY,
            1,
            nowUs,
            nowUs,
            nowUs,
            OptionalLong.of(nowUs),
            OptionalLong.of(nowUs),
            Outcome.DONE,
            "",
            new Usage(
                OptionalLong.of(gas),
                OptionalLong.empty(),
                OptionalLong.empty(),
                OptionalLong.empty(),
                OptionalLong.empty(),
                OptionalLong.empty(),
                OptionalLong.empty(),
                OptionalLong.empty(),
                OptionalLong.empty(),
                ""),
            outputs,
            "perseid 1",
            "",
            425);
    Entry entry = new Entry(7, nowUs, record, new Entry.Attestation.Signed(3, 0));
    List<Hash> leaves = List.of(Merkle.leafHash(Digests.record(record).bytes()));
    Hash root = Merkle.root(leaves);
    ObjectNode doc = JSON.createObjectNode();
    doc.put("perseid_receipt", 1);
    doc.put("entry", HexFormat.of().formatHex(EntryCodec.encode(entry)));
    ObjectNode batch = doc.putObject("batch");
    batch.put("number", 3).put("position", 0).put("count", 1).put("root", root.hex());
    batch.putArray("path");
    batch.put("signature", provider.sign(Digests.batch(record.pool(), root, 1)));
    Path file = folder.resolve(name + ".json");
    Files.writeString(file, JSON.writeValueAsString(doc));
    return file;
  }

  @Test
  void aLiarIsConvictedByHand() throws Exception {
    Home home = Home.of(environment());
    Key provider = home.key("provider");
    Address consumer = home.key("consumer").address();
    done("chain", "faucet", "0", "--key", "consumer");
    done("chain", "deploy");
    refused(
        Exit.USAGE, "'perseid dispute deploy' makes one", "dispute", "stake", "1", "--key", "x");
    String at = done("dispute", "deploy", "--json").json().path("dispute").asText();
    assertThat(Files.readString(home.folder().resolve("chain").resolve("deployment.json")))
        .contains(at);
    refused(Exit.USAGE, "has a contract for disputes", "dispute", "deploy");
    for (int i = 0; i <= ARBITERS; i++) {
      String key = i == ARBITERS ? "provider" : "arbiter" + i;
      done("chain", "faucet", "0", "--key", key);
      done("chain", "register", "--role", "provider", "--key", key);
      String stake = (i == ARBITERS ? "4" : "1") + "000000000000000000";
      if (i == ARBITERS) {
        done("dispute", "stake", stake, "--key", key);
      } else {
        done("dispute", "stake", stake, "--seat", "--key", key);
      }
    }
    local.pass(2 * DAY_S + 1);

    Execution truth = truth();
    long gas = truth.usage().gas().orElseThrow();
    List<Blob> right =
        truth.outputs().stream().map(o -> new Blob(Hash.of(o.sha256()), o.size())).toList();
    Path honest = receipt("honest", provider, consumer, right, gas);
    Ran vain = run(about(honest, "open"));
    assertThat(vain.exit()).isEqualTo(Exit.FAILED);
    assertThat(vain.err()).contains("the record is right");
    Path liar =
        receipt(
            "liar",
            provider,
            consumer,
            List.of(new Blob(new Hash(6, 6, 6, 6), right.getFirst().sizeBytes())),
            gas);
    String[] wrongArgs = about(liar, "open");
    wrongArgs[wrongArgs.length - 2] = "40000000 3001";
    refused(Exit.USAGE, "another arguments", wrongArgs);
    Path forged = folder.resolve("forged.json");
    Files.writeString(
        forged, Files.readString(liar).replaceFirst("\"signature\":\"..", "\"signature\":\"00"));
    refused(Exit.USAGE, "not signed by the provider", about(forged, "open"));

    String id = done(about(liar, "open")).json().path("dispute").asText();
    assertThat(done("dispute", "status", id).out()).contains("how many steps");
    // The liar tells the truth to the last step but one: it has no other states to show.
    String stage = "claim";
    for (int moves = 0; !stage.equals("draw"); moves++) {
      assertThat(moves).isLessThan(12);
      String key = stage.equals("choose") ? "consumer" : "provider";
      JsonNode moved = done(about(liar, "answer", id, "--key", key)).json();
      assertThat(moved.path("moved").asBoolean()).isTrue();
      stage = moved.path("stage").asText();
    }
    JsonNode last = done("dispute", "status", id, "--json").json();
    assertThat(last.path("high").asLong() - last.path("low").asLong()).isEqualTo(1);
    Path state = folder.resolve("state");
    Ran waits = done(about(liar, "answer", id, "--state-to", state.toString()));
    assertThat(waits.err()).contains("the provider is to move");
    JsonNode drawn = done(about(liar, "answer", id, "--key", "provider")).json();
    assertThat(drawn.path("stage").asText()).isEqualTo("commit");
    assertThat(state).exists();

    refused(
        Exit.USAGE,
        "is no arbiter of this dispute",
        about(liar, "arbitrate", id, "--state", state.toString()));
    String panel = done("dispute", "status", id, "--json").json().path("panel").toString();
    List<String> arbiters = new ArrayList<>();
    for (int i = 0; i < ARBITERS; i++) {
      if (panel.contains(home.key("arbiter" + i).address().toString())) {
        arbiters.add("arbiter" + i);
      }
    }
    assertThat(arbiters).hasSize(3);
    for (int round = 0; round < 2; round++) {
      for (String arbiter : arbiters) {
        Ran voted =
            done(about(liar, "arbitrate", id, "--key", arbiter, "--state", state.toString()));
        assertThat(voted.json().path("moved").asBoolean()).isTrue();
        assertThat(voted.err()).contains("steps run: 1");
      }
    }
    assertThat(done("dispute", "status", id).out()).contains("the provider is convicted");
    assertThat(done("dispute", "collect").out()).contains("collected 1.6375 ETH");
    assertThat(done("dispute", "leave", "--key", arbiters.getFirst()).out()).contains("21 days");
    local.pass(21 * DAY_S + 1);
    assertThat(done("dispute", "leave", "--key", arbiters.getFirst()).out())
        .contains("yours again");
  }
}

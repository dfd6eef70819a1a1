package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.chain.Abi;
import dev.perseid.chain.Anvil;
import dev.perseid.chain.Artifact;
import dev.perseid.chain.At;
import dev.perseid.chain.Call;
import dev.perseid.chain.Chain;
import dev.perseid.chain.ChainException;
import dev.perseid.chain.Dispute;
import dev.perseid.chain.Head;
import dev.perseid.chain.LocalChain;
import dev.perseid.chain.Outbox;
import dev.perseid.chain.Receipt;
import dev.perseid.chain.Registry;
import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.core.Outcome;
import dev.perseid.core.Usage;
import dev.perseid.journal.Merkle;
import dev.perseid.sandbox.Checkpoint;
import dev.perseid.sandbox.Input;
import dev.perseid.sandbox.Portable;
import dev.perseid.sandbox.RunLimits;
import dev.perseid.sandbox.Sandbox;
import dev.perseid.sandbox.SandboxConfig;
import dev.perseid.sandbox.Trace;
import dev.perseid.sandbox.TracePlan;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/// Disputes about a real module's run, on a real chain, and the players without either.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class DisputeTest {
  private static final BigInteger ETHER = BigInteger.TEN.pow(18);
  private static final Outbox.Rules RULES = new Outbox.Rules(BigInteger.TEN.pow(11), 1, 200);
  private static final Duration LONG = Duration.ofSeconds(60);
  private static final long GAS = 1L << 40;
  private static final long MEMORY = 16L << 20;
  private static final String ARGS = "40000000 3000";
  private static final int ARBITERS = 5;
  private static final long DAY_S = 24 * 3_600;
  private static final Hash MINE = new Hash(4, 4, 4, 4);
  private static final Hash THEIRS = new Hash(5, 5, 5, 5);

  private final Key provider = key(2);
  private final Key challenger = key(3);
  private final Map<Address, Outbox> outboxes = new HashMap<>();
  private Path folder;
  private Sandbox sandbox;
  private LocalChain local;
  private Chain chain;
  private Registry registry;
  private Dispute dispute;
  private Portable task;
  private Checkpoint.Ended end;
  private int sent;
  private long nonce;

  private static Key key(long number) {
    return Key.of(ByteBuffer.allocate(32).putLong(24, number).array());
  }

  private static Key arbiter(int number) {
    return key(10 + number);
  }

  @BeforeAll
  void start(@TempDir Path shared) throws Exception {
    folder = shared;
    sandbox =
        Sandbox.open(
            SandboxConfig.in(folder.resolve("sandbox")).withSlots(1).withMemoryBytes(64 << 20));
    Path module = Path.of("..", "examples", "modules", "burn.wasm");
    task =
        new Portable(
            1,
            "consumer",
            module,
            Hash.sha256(Files.readAllBytes(module)).bytes(),
            ARGS.getBytes(StandardCharsets.UTF_8),
            List.of(),
            1,
            new RunLimits(GAS, MEMORY, 1 << 20, 60_000));
    end =
        switch (sandbox.trace(task, TracePlan.of(1L << 40)).get(60, TimeUnit.SECONDS)) {
          case Trace.Told t -> (Checkpoint.Ended) t.checkpoints().getFirst();
          case Trace.Untold(String why) -> throw new AssertionError(why);
        };
    assertThat(end.failure()).isEmpty();
    assertThat(end.steps()).isGreaterThan(40);

    Anvil anvil =
        switch (Anvil.find(
            Anvil.cache(), Optional.ofNullable(System.getenv("PATH")).orElse(""), note -> {})) {
          case Anvil.Found.Ready(Anvil found) -> found;
          case Anvil.Found.Missing(String why) -> throw new AssertionError(why);
        };
    local = LocalChain.start(anvil, LocalChain.Options.INSTANT);
    chain = local.chain();
    Key operator = key(1);
    registry =
        new Registry(chain, done(operator, Artifact.REGISTRY.creation()).created().orElseThrow());
    dispute =
        new Dispute(
            chain,
            done(
                    operator,
                    Artifact.DISPUTE.creation(
                        Abi.address(registry.address()),
                        Abi.uint(ETHER),
                        Abi.uint(ETHER),
                        Abi.uint(ETHER.divide(BigInteger.valueOf(20))),
                        Abi.address(Address.parse("0x000000000000000000000000000000000000dead"))))
                .created()
                .orElseThrow());
    stake(provider, 10);
    for (int i = 0; i < ARBITERS; i++) {
      stake(arbiter(i), 3);
      done(arbiter(i), dispute.takeSeat(arbiter(i).address()));
    }
    local.pass(2 * DAY_S);
  }

  @AfterAll
  void stop() throws IOException {
    for (Outbox one : outboxes.values()) {
      one.close();
    }
    local.close();
    sandbox.close();
  }

  private void stake(Key who, int ether) throws ChainException, IOException {
    done(who, registry.register(Registry.PROVIDER, Address.ZERO, "", Hash.ZERO));
    done(who, dispute.stake(who.address(), ETHER.multiply(BigInteger.valueOf(ether))));
  }

  private Receipt done(Key who, Call call) throws ChainException, IOException {
    Outbox outbox = outboxes.get(who.address());
    if (outbox == null) {
      local.fund(who.address(), ETHER.multiply(BigInteger.valueOf(100)));
      outbox =
          Outbox.open(
              folder.resolve(who.address() + ".outbox"), chain, who, RULES, InstantSource.system());
      outboxes.put(who.address(), outbox);
    }
    String name = "call-" + sent++;
    outbox.submit(name, call, Outbox.Again.NEVER);
    return switch (outbox.await(name, LONG, 5)) {
      case Outbox.State.Done(Receipt receipt) -> receipt;
      case Outbox.State other -> throw new AssertionError(Outbox.describe(other));
    };
  }

  // ---- records ----------------------------------------------------------------------------------

  /// What the provider signed; `outputs` may be false.
  private ExecutionRecord record(List<Blob> outputs) throws ChainException {
    long nowUs = chain.head().timeS() * 1_000_000;
    return new ExecutionRecord(
        key(1).address(),
        new JobId(5, ++nonce),
        0,
        "burn-1",
        "burn",
        1,
        300,
        challenger.address(),
        provider.address(),
        new Hash(1, 1, 1, 1),
        Hash.of(task.moduleSha256()),
        Hash.sha256(task.args()),
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
            OptionalLong.of(end.gas()),
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
  }

  private Hash open(ExecutionRecord record) throws ChainException, IOException {
    Hash digest = Digests.record(record);
    List<Hash> leaves = List.of(Merkle.leafHash(digest.bytes()), new Hash(1, 2, 3, 4));
    Hash root = Merkle.root(leaves);
    Dispute.Batch batch =
        new Dispute.Batch(
            root,
            2,
            0,
            Merkle.path(leaves, 0),
            provider.sign(Digests.batch(record.pool(), root, 2)));
    done(
        challenger,
        dispute.open(
            Digests.encodeData(record),
            record.outputs().stream().map(Blob::hash).toList(),
            batch,
            dispute.bondWei(At.latest())));
    return Dispute.idOf(digest, challenger.address());
  }

  private List<Blob> falseOutputs() {
    return List.of(new Blob(new Hash(6, 6, 6, 6), end.outputs().getFirst().sizeBytes()));
  }

  /// Says the truth up to a position, and something else from there on; its end is the record's.
  private record Liar(Replay truth, long from, Hash last) implements Replay {
    @Override
    public long steps() throws Impossible, InterruptedException {
      return truth.steps();
    }

    @Override
    public List<Hash> at(List<Long> positions) throws Impossible, InterruptedException {
      List<Hash> right = truth.at(positions);
      List<Hash> said = new ArrayList<>();
      for (int i = 0; i < right.size(); i++) {
        long p = positions.get(i);
        said.add(p < from ? right.get(i) : p > steps() ? last : new Hash(13, 13, 13, p));
      }
      return said;
    }
  }

  private SandboxReplay replay(ExecutionRecord record) throws Replay.Impossible {
    return new SandboxReplay(sandbox, task, record);
  }

  // ---- playing ----------------------------------------------------------------------------------

  private DisputePlayers.Board board(Hash id) throws ChainException {
    Dispute.View view = dispute.view(id, At.latest());
    Head head = chain.head();
    List<Hash> row =
        view.stage() != Dispute.Stage.CHOOSE
            ? List.of()
            : dispute.row(id, view, 0).orElseThrow(() -> new AssertionError("no row"));
    return new DisputePlayers.Board(id, view, row, dispute.panel(id, At.latest()), head.timeS());
  }

  private Optional<Call> call(Hash id, DisputeMove move) {
    return switch (move) {
      case DisputeMove.Claim m ->
          Optional.of(dispute.claim(id, m.steps(), m.checkpoints(), m.seal()));
      case DisputeMove.Divide m -> Optional.of(dispute.divide(id, m.checkpoints()));
      case DisputeMove.Choose m ->
          Optional.of(dispute.choose(id, m.way(), m.checkpoints(), m.number()));
      case DisputeMove.Timeout() -> Optional.of(dispute.timeout(id));
      case DisputeMove.Draw m -> Optional.of(dispute.draw(id, m.number()));
      case DisputeMove.Commit m -> Optional.of(dispute.commit(id, m.place(), m.commitment()));
      case DisputeMove.Reveal m -> Optional.of(dispute.reveal(id, m.place(), m.vote(), m.salt()));
      case DisputeMove.Count() -> Optional.of(dispute.count(id));
      case DisputeMove.Wait w -> Optional.empty();
    };
  }

  /// Does a move if there is one.
  private boolean moves(Key who, Hash id, DisputeMove move) throws ChainException, IOException {
    Optional<Call> call = call(id, move);
    if (call.isPresent()) {
      done(who, call.get());
    }
    return call.isPresent();
  }

  private Dispute.View narrow(Hash id, Replay mine, Replay theirs) throws Exception {
    while (dispute.view(id, At.latest()).stage().ordinal() < Dispute.Stage.DRAW.ordinal()) {
      boolean moved =
          moves(provider, id, DisputePlayers.provider(board(id), MINE, mine))
              | moves(challenger, id, DisputePlayers.challenger(board(id), THEIRS, theirs));
      assertThat(moved).isTrue();
    }
    return dispute.view(id, At.latest());
  }

  private Dispute.Stage judged(Hash id, Replay replay) throws Exception {
    assertThat(DisputePlayers.challenger(board(id), THEIRS, replay))
        .isInstanceOf(DisputeMove.Wait.class);
    moves(provider, id, DisputePlayers.provider(board(id), MINE, replay));
    for (int round = 0; round < 2; round++) {
      for (int i = 0; i < ARBITERS; i++) {
        Key who = arbiter(i);
        moves(
            who,
            id,
            DisputePlayers.arbiter(board(id), who.address(), new Hash(9, 9, 9, i), replay));
      }
    }
    return dispute.view(id, At.latest()).stage();
  }

  @Test
  void aLiarLosesAtExactlyTheFalseStep() throws Exception {
    ExecutionRecord record = record(falseOutputs());
    Hash id = open(record);
    BigInteger before = dispute.stake(provider.address(), At.latest()).wei();
    Hash last =
        CheckpointHash.of(
            new Checkpoint.Ended(end.steps(), Optional.empty(), end.gas(), falseOutputs()));
    try (SandboxReplay truth = replay(record);
        SandboxReplay others = replay(record);
        SandboxReplay judges = replay(record)) {
      Dispute.View view = narrow(id, new Liar(truth, 23, last), others);
      assertThat(view.low()).isEqualTo(22);
      assertThat(view.high()).isEqualTo(23);
      assertThat(view.lowHash()).isEqualTo(truth.at(List.of(22L)).getFirst());
      // All questions together cost the challenger little more than one run.
      assertThat(others.stepsRun()).isLessThan(end.steps() + end.steps() / 4);

      // The arbiters run one step from the state that a party hands out.
      Path state = others.state(22).orElseThrow();
      Path forged = Files.copy(state, folder.resolve("forged"));
      byte[] bytes = Files.readAllBytes(forged);
      bytes[bytes.length - 100] ^= 1;
      Files.write(forged, bytes);
      assertThatThrownBy(() -> judges.accept(22, forged, view.lowHash()))
          .isInstanceOf(Replay.Impossible.class);
      judges.accept(22, state, view.lowHash());
      assertThat(judged(id, judges)).isEqualTo(Dispute.Stage.CHALLENGER_WON);
      // Three arbiters, each one step for its commitment and one for showing it.
      assertThat(judges.stepsRun()).isEqualTo(6);
    }
    assertThat(dispute.stake(provider.address(), At.latest()).wei())
        .isEqualTo(before.subtract(ETHER));
    assertThat(dispute.owedWei(challenger.address(), At.latest())).isGreaterThan(ETHER);
    done(challenger, dispute.collect(challenger.address()));
  }

  @Test
  void aFalseAccuserLoses() throws Exception {
    ExecutionRecord record = record(end.outputs());
    Hash id = open(record);
    BigInteger before = dispute.stake(provider.address(), At.latest()).wei();
    try (SandboxReplay truth = replay(record);
        SandboxReplay theirs = replay(record);
        SandboxReplay judges = replay(record)) {
      // The end that the contract makes of the record is the one that a run has.
      Dispute.View view = narrow(id, truth, new Liar(theirs, 31, Hash.ZERO));
      assertThat(view.high()).isEqualTo(31);
      assertThat(judged(id, judges)).isEqualTo(Dispute.Stage.PROVIDER_WON);
    }
    assertThat(dispute.stake(provider.address(), At.latest()).wei()).isGreaterThan(before);
  }

  @Test
  void whoRunsAnotherTaskIsTold() throws Exception {
    ExecutionRecord record = record(end.outputs());
    Portable other =
        new Portable(
            2,
            "consumer",
            task.module(),
            task.moduleSha256(),
            "40000000 3001".getBytes(StandardCharsets.UTF_8),
            List.of(),
            1,
            task.limits());
    assertThatThrownBy(() -> new SandboxReplay(sandbox, other, record))
        .isInstanceOf(Replay.Impossible.class)
        .hasMessageContaining("arguments");
    Portable more =
        new Portable(
            3,
            "consumer",
            task.module(),
            task.moduleSha256(),
            task.args(),
            List.of(new Input.Inline(new byte[] {1})),
            1,
            task.limits());
    assertThatThrownBy(() -> new SandboxReplay(sandbox, more, record))
        .isInstanceOf(Replay.Impossible.class)
        .hasMessageContaining("inputs");
  }

  @Test
  void whatTheContractMakesOfARecordIsWhatARunGives() throws Exception {
    ExecutionRecord record = record(end.outputs());
    Hash id = open(record);
    try (SandboxReplay truth = replay(record)) {
      assertThat(dispute.view(id, At.latest()).lowHash())
          .isEqualTo(truth.at(List.of(0L)).getFirst());
      moves(provider, id, DisputePlayers.provider(board(id), MINE, truth));
      Dispute.View view = dispute.view(id, At.latest());
      assertThat(view.high()).isEqualTo(end.steps() + 1);
      assertThat(view.highHash()).isEqualTo(truth.at(List.of(view.high())).getFirst());
    }
  }

  /// Nobody needs to know the other's replay to win against silence.
  @Test
  void theSilentLose() throws Exception {
    Replay none = new Table(0, 1);
    Hash silentProvider = open(record(falseOutputs()));
    local.pass(DAY_S + 2);
    assertThat(DisputePlayers.challenger(board(silentProvider), THEIRS, none))
        .isEqualTo(new DisputeMove.Timeout());
    // Nobody convicts itself.
    assertThat(DisputePlayers.provider(board(silentProvider), MINE, none))
        .isInstanceOf(DisputeMove.Wait.class);
    moves(challenger, silentProvider, new DisputeMove.Timeout());
    assertThat(dispute.view(silentProvider, At.latest()).stage())
        .isEqualTo(Dispute.Stage.CHALLENGER_WON);

    ExecutionRecord record = record(end.outputs());
    Hash silentChallenger = open(record);
    try (SandboxReplay truth = replay(record)) {
      moves(
          provider,
          silentChallenger,
          DisputePlayers.provider(board(silentChallenger), MINE, truth));
      local.pass(DAY_S + 2);
      assertThat(DisputePlayers.provider(board(silentChallenger), MINE, truth))
          .isEqualTo(new DisputeMove.Timeout());
      assertThat(DisputePlayers.challenger(board(silentChallenger), THEIRS, truth))
          .isInstanceOf(DisputeMove.Wait.class);
      moves(provider, silentChallenger, new DisputeMove.Timeout());
    }
    assertThat(dispute.view(silentChallenger, At.latest()).stage())
        .isEqualTo(Dispute.Stage.PROVIDER_WON);
  }

  // ---- the players alone ------------------------------------------------------------------------

  /// A run that is only a table.
  private record Table(long steps, long from) implements Replay {
    @Override
    public List<Hash> at(List<Long> positions) {
      return positions.stream().map(p -> new Hash(0, 0, p < from ? 0 : 1, p)).toList();
    }
  }

  @Test
  void thePlayersFindAnyFalseStepInFiveRounds() throws Exception {
    long seed = 3;
    Random random = new Random(seed);
    for (int k = 0; k < 500; k++) {
      long steps = k < 20 ? k + 1 : 1 + random.nextLong(1_000_000);
      long fault = 1 + random.nextLong(steps + 1);
      Replay right = new Table(steps, Long.MAX_VALUE);
      Replay wrong = new Table(steps, fault);
      Dispute.View view = view(Dispute.Stage.CLAIM, 0, steps, List.of());
      DisputePlayers.Board b = board(view, List.of());
      DisputeMove.Claim claim = (DisputeMove.Claim) DisputePlayers.provider(b, MINE, wrong);
      assertThat(claim.steps()).isEqualTo(steps);
      List<Hash> row = claim.checkpoints();
      long low = 0;
      long high = steps + 1;
      int rounds = 0;
      Set<Hash> numbers = new HashSet<>();
      while (high - low > 1) {
        rounds++;
        DisputeMove.Choose choice =
            (DisputeMove.Choose)
                DisputePlayers.challenger(
                    board(view(Dispute.Stage.CHOOSE, low, high, row), row), THEIRS, right);
        assertThat(numbers.add(choice.number())).as("a number that was not given before").isTrue();
        List<Long> bounds = Dispute.bounds(low, high);
        int way = choice.way();
        long from = way == 0 ? low : bounds.get(way - 1);
        high = way == bounds.size() ? high : bounds.get(way);
        low = from;
        if (high - low > 1) {
          row =
              ((DisputeMove.Divide)
                      DisputePlayers.provider(
                          board(view(Dispute.Stage.DIVIDE, low, high, row), row), MINE, wrong))
                  .checkpoints();
        }
      }
      assertThat(high).as("seed %d, %d steps", seed, steps).isEqualTo(fault);
      assertThat(rounds).isLessThanOrEqualTo(5);
    }
  }

  private Dispute.View view(Dispute.Stage stage, long low, long high, List<Hash> row) {
    return new Dispute.View(
        challenger.address(),
        100,
        stage,
        0,
        provider.address(),
        low,
        high,
        Hash.ZERO,
        Hash.ZERO,
        row.isEmpty() ? Hash.ZERO : row.getFirst(),
        Hash.ZERO);
  }

  private static DisputePlayers.Board board(Dispute.View view, List<Hash> row) {
    return new DisputePlayers.Board(new Hash(1, 1, 1, 1), view, row, List.of(), 50);
  }
}

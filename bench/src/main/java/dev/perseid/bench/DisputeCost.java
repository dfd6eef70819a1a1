package dev.perseid.bench;

import dev.perseid.chain.Abi;
import dev.perseid.chain.Anvil;
import dev.perseid.chain.Artifact;
import dev.perseid.chain.At;
import dev.perseid.chain.Call;
import dev.perseid.chain.Chain;
import dev.perseid.chain.ChainException;
import dev.perseid.chain.Deployer;
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
import dev.perseid.node.CheckpointHash;
import dev.perseid.node.DisputeMove;
import dev.perseid.node.DisputePlayers;
import dev.perseid.node.Replay;
import dev.perseid.node.SandboxReplay;
import dev.perseid.sandbox.Checkpoint;
import dev.perseid.sandbox.Portable;
import dev.perseid.sandbox.RunLimits;
import dev.perseid.sandbox.Sandbox;
import dev.perseid.sandbox.SandboxConfig;
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
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;

/// What a dispute costs: rounds, moves, gas and steps run again, from the opening to the verdict,
/// on a real chain, about a task that really runs in the sandbox. The provider lies from some step
/// on.
final class DisputeCost {
  /// A module of 220 bytes, by hand: each call of `step` draws a number (xorshift), writes it to a
  /// place in 256 KiB of memory that follows from it, and counts, up to the number that is its
  /// argument (4 bytes, little-endian); then it writes those 256 KiB as its output. The examples'
  /// modules do so much in a step that a million of them take hours.
  private static final String MODULE =
      "0061736d01000000010c026000017f60037f7f7f017f022c0207706572736569640c6f757470"
          + "75745f77726974650001077065727365696409617267735f7265616400010302010005040101"
          + "05050613027e0142c4f4fddddc91d09c010b7f0141000b071102066d656d6f72790200047374"
          + "657000020a64016200230145044041004100410410011a0b23002300420d8685240023002300"
          + "420788852400230023004211868524002300a741f8ff0f7123003703808004230141016a2401"
          + "2301410028020049044041000f0b4100418080044180801010001a41010b";

  /// What is measured with.
  ///
  /// @param steps how many the task takes
  /// @param fault from which position on the provider lies
  record Setting(int steps, int fault) {}

  private static final BigInteger ETHER = BigInteger.TEN.pow(18);
  private static final Duration LONG = Duration.ofMinutes(2);
  private static final int ARBITERS = 5;
  private static final long DAY_S = 24 * 3_600;
  private static final long GAS = 1L << 40;
  private static final long MEMORY = 1L << 20;

  private final Printout report;
  private final Setting setting;
  private final Key provider = key(2);
  private final Key challenger = key(3);
  private final Map<Address, Outbox> outboxes = new HashMap<>();
  private final Table moves = new Table("", ">transactions", ">gas", ">of that the dearest");
  private int sent;
  private long judged;
  private long allGas;
  private int allMoves;

  DisputeCost(Printout report, Setting setting) {
    this.report = report;
    this.setting = setting;
  }

  private static Key key(long number) {
    return Key.of(ByteBuffer.allocate(32).putLong(24, number).array());
  }

  /// On a chain that lives for one run: what nobody else knows is not needed.
  private static Hash secret(Key who) {
    return Hash.sha256(who.address().toString().getBytes(StandardCharsets.US_ASCII));
  }

  private static Key arbiter(int number) {
    return key(10 + number);
  }

  /// What one dispute took.
  ///
  /// @param moves of the parties
  /// @param judged how many steps each arbiter ran
  private record Cost(int rounds, int moves, long gas, long judged, double s) {}

  /// The same dispute with a liar that begins at a step drawn by a seed, and then the sum of it.
  static void series(Printout report, int steps, int seeds, Path folder, Path home)
      throws IOException, InterruptedException {
    Host host = Host.now();
    Table all =
        new Table(
            "seed", ">false from", ">rounds", ">moves", ">gas", ">steps an arbiter ran", ">s");
    List<Cost> costs = new ArrayList<>();
    for (int seed = 1; seed <= seeds; seed++) {
      int fault = 2 + new Random(seed).nextInt(steps);
      Path own = Files.createDirectories(folder.resolve("seed-" + seed));
      Cost cost = new DisputeCost(report, new Setting(steps, fault)).run(own);
      costs.add(cost);
      all.row(
          String.valueOf(seed),
          whole(fault),
          cost.rounds(),
          cost.moves(),
          whole(cost.gas()),
          whole(cost.judged()),
          String.format(Locale.ROOT, "%.1f", cost.s()));
    }
    report.say("");
    report.table(all);
    report.say("");
    Table aims = new Table("of " + seeds + " seeds, the most", ">aim", ">measured");
    aims.row("rounds", "20", costs.stream().mapToInt(Cost::rounds).max().orElseThrow());
    aims.row("gas", "2,000,000", whole(costs.stream().mapToLong(Cost::gas).max().orElseThrow()));
    aims.row(
        "steps an arbiter ran",
        "1",
        whole(costs.stream().mapToLong(Cost::judged).max().orElseThrow()));
    report.table(aims);
    report.say(host.state(home));
  }

  private Cost run(Path folder) throws IOException, InterruptedException {
    String path = Optional.ofNullable(System.getenv("PATH")).orElse("");
    return switch (Anvil.find(Anvil.cache(), path, report::progress)) {
      case Anvil.Found.Missing(String why) -> throw new IOException(why);
      case Anvil.Found.Ready(Anvil anvil) -> {
        try (LocalChain local = LocalChain.start(anvil, LocalChain.Options.INSTANT);
            Sandbox sandbox =
                Sandbox.open(
                    SandboxConfig.in(folder.resolve("sandbox"))
                        .withSlots(1)
                        .withMemoryBytes(64 << 20))) {
          report.say(anvil.name() + ", rules of Osaka; gas as its receipts say");
          yield new Bout(local, folder, sandbox).all();
        } catch (ChainException e) {
          throw new IOException(e.text(), e);
        } catch (Replay.Impossible e) {
          throw new IOException(e.getMessage(), e);
        } finally {
          for (Outbox one : outboxes.values()) {
            one.close();
          }
        }
      }
    };
  }

  /// Says the truth up to a position, and something else from there on; its end is the record's.
  private record Liar(SandboxReplay truth, long from, Hash last) implements Replay {
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

  /// One dispute on one chain.
  private final class Bout {
    private final LocalChain local;
    private final Chain chain;
    private final Path folder;
    private final Sandbox sandbox;
    private final Portable task;
    private final Dispute dispute;
    private final Map<String, List<Long>> byKind = new LinkedHashMap<>();

    Bout(LocalChain local, Path folder, Sandbox sandbox) throws ChainException, IOException {
      this.local = local;
      this.chain = local.chain();
      this.folder = folder;
      this.sandbox = sandbox;
      byte[] module = HexFormat.of().parseHex(MODULE);
      Path file = folder.resolve("ticks.wasm");
      Files.write(file, module);
      this.task =
          new Portable(
              1,
              "consumer",
              file,
              Hash.sha256(module).bytes(),
              ByteBuffer.allocate(4).putInt(Integer.reverseBytes(setting.steps())).array(),
              List.of(),
              1,
              new RunLimits(GAS, MEMORY, 1 << 20, LONG.toMillis()));
      Key operator = key(1);
      Address at = done(operator, Artifact.REGISTRY.creation()).created().orElseThrow();
      Registry registry = new Registry(chain, at);
      this.dispute =
          new Dispute(
              chain,
              done(
                      operator,
                      Artifact.DISPUTE.creation(
                          Abi.address(at),
                          Abi.uint(ETHER),
                          Abi.uint(ETHER),
                          Abi.uint(ETHER.divide(BigInteger.valueOf(20))),
                          Abi.address(Deployer.Plan.NOBODY)))
                  .created()
                  .orElseThrow());
      for (int i = 0; i <= ARBITERS; i++) {
        Key who = i == ARBITERS ? provider : arbiter(i);
        done(who, registry.register(Registry.PROVIDER, Address.ZERO, "", Hash.ZERO));
        done(who, dispute.stake(who.address(), ETHER));
        if (i < ARBITERS) {
          done(who, dispute.takeSeat(who.address()));
        }
      }
      local.pass(3 * DAY_S);
    }

    Cost all() throws ChainException, IOException, InterruptedException, Replay.Impossible {
      List<Blob> lie = List.of(new Blob(new Hash(6, 6, 6, 6), 262_144));
      Checkpoint.Ended end;
      ExecutionRecord draft = record(0, lie);
      long begun = System.nanoTime();
      long opened = begun;
      try (SandboxReplay first = new SandboxReplay(sandbox, task, draft)) {
        end = first.end();
      }
      double runS = (System.nanoTime() - begun) / 1e9;
      ExecutionRecord record = record(end.gas(), lie);
      Hash last =
          CheckpointHash.of(new Checkpoint.Ended(end.steps(), Optional.empty(), end.gas(), lie));
      Hash id = open(record);
      int rounds = 0;
      int ofParties = 0;
      Table steps = new Table("steps run again", ">steps", ">times the task's", ">s");
      try (SandboxReplay truth = new SandboxReplay(sandbox, task, record);
          SandboxReplay theirs = new SandboxReplay(sandbox, task, record)) {
        Liar liar = new Liar(truth, setting.fault(), last);
        double providerS = 0;
        double challengerS = 0;
        while (dispute.view(id, At.latest()).stage() != Dispute.Stage.DRAW) {
          begun = System.nanoTime();
          DisputeMove given = DisputePlayers.provider(board(id), secret(provider), liar);
          providerS += (System.nanoTime() - begun) / 1e9;
          play(provider, id, given);
          begun = System.nanoTime();
          DisputeMove chosen = DisputePlayers.challenger(board(id), secret(challenger), theirs);
          challengerS += (System.nanoTime() - begun) / 1e9;
          play(challenger, id, chosen);
          rounds++;
        }
        Dispute.View view = dispute.view(id, At.latest());
        if (view.low() != setting.fault() - 1 || view.high() != setting.fault()) {
          throw new IOException("the dispute ended at the wrong step: " + view);
        }
        ofParties = allMoves;
        row(steps, "the provider", truth.stepsRun(), end.steps(), providerS);
        row(steps, "the challenger", theirs.stepsRun(), end.steps(), challengerS);
        theirs.at(List.of(view.low()));
        Path state = theirs.state(view.low()).orElseThrow();
        play(provider, id, DisputePlayers.provider(board(id), secret(provider), liar));
        for (int i = 0; i < ARBITERS; i++) {
          vote(id, arbiter(i), record, state, steps, end.steps());
        }
        for (int i = 0; i < ARBITERS; i++) {
          vote(id, arbiter(i), record, state, steps, end.steps());
        }
        Dispute.Stage stage = dispute.view(id, At.latest()).stage();
        if (stage != Dispute.Stage.CHALLENGER_WON) {
          throw new IOException("the liar was not convicted: " + stage);
        }
        report.say("");
        report.say(
            String.format(
                Locale.ROOT,
                "a task of %,d steps (%,d gas, %.1f s) whose record is false from position %,d on:"
                    + " %d rounds, %d moves of the parties, %d transactions in all, %,d gas; the"
                    + " provider is convicted at that step; its state is a file of %,d bytes",
                end.steps(),
                end.gas(),
                runS,
                setting.fault(),
                rounds,
                ofParties,
                allMoves,
                allGas,
                Files.size(state)));
      }
      report.say("");
      byKind.forEach((what, gases) ->
          moves.row(
              what,
              gases.size(),
              whole(gases.stream().mapToLong(Long::longValue).sum()),
              whole(gases.stream().mapToLong(Long::longValue).max().orElse(0))));
      report.table(moves);
      report.say("");
      report.table(steps);
      return new Cost(rounds, ofParties, allGas, judged, (System.nanoTime() - opened) / 1e9);
    }

    private void row(Table table, String who, long run, long all, double s) {
      table.row(
          who,
          whole(run),
          String.format(Locale.ROOT, "%.6f", (double) run / all),
          String.format(Locale.ROOT, "%.1f", s));
    }

    private void vote(Hash id, Key who, ExecutionRecord record, Path state, Table steps, long all)
        throws ChainException, IOException, InterruptedException, Replay.Impossible {
      DisputePlayers.Board board = board(id);
      if (board.panel().stream().noneMatch(b -> b.identity().equals(who.address()))) {
        return;
      }
      long begun = System.nanoTime();
      try (SandboxReplay own = new SandboxReplay(sandbox, task, record)) {
        own.accept(board.view().low(), state, board.view().lowHash());
        DisputeMove move = DisputePlayers.arbiter(board, who.address(), secret(who), own);
        if (move instanceof DisputeMove.Commit) {
          judged = Math.max(judged, own.stepsRun());
          row(steps, "an arbiter", own.stepsRun(), all, (System.nanoTime() - begun) / 1e9);
        }
        play(who, id, move);
      }
    }

    private DisputePlayers.Board board(Hash id) throws ChainException {
      Dispute.View view = dispute.view(id, At.latest());
      Head head = chain.head();
      List<Hash> row =
          view.stage() != Dispute.Stage.CHOOSE ? List.of() : dispute.row(id, view, 0).orElseThrow();
      return new DisputePlayers.Board(id, view, row, dispute.panel(id, At.latest()), head.timeS());
    }

    private void play(Key who, Hash id, DisputeMove move) throws ChainException, IOException {
      switch (move) {
        case DisputeMove.Claim m ->
            count(who, "claim", dispute.claim(id, m.steps(), m.checkpoints(), m.seal()));
        case DisputeMove.Divide m -> count(who, "divide", dispute.divide(id, m.checkpoints()));
        case DisputeMove.Choose m ->
            count(who, "choose", dispute.choose(id, m.way(), m.checkpoints(), m.number()));
        case DisputeMove.Draw m -> count(who, "draw", dispute.draw(id, m.number()));
        case DisputeMove.Commit m ->
            count(who, "commit", dispute.commit(id, m.place(), m.commitment()));
        case DisputeMove.Reveal m ->
            count(who, "reveal", dispute.reveal(id, m.place(), m.vote(), m.salt()));
        case DisputeMove.Timeout _, DisputeMove.Count _, DisputeMove.Wait _ ->
            throw new IOException("nobody was silent, and yet: " + move);
      }
    }

    private void count(Key who, String what, Call call) throws ChainException, IOException {
      long gas = done(who, call).gasUsed();
      allGas += gas;
      allMoves++;
      byKind.computeIfAbsent(what, name -> new ArrayList<>()).add(gas);
      report.progress(what + ": " + whole(gas) + " gas");
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
      count(
          challenger,
          "open",
          dispute.open(
              Digests.encodeData(record),
              record.outputs().stream().map(Blob::hash).toList(),
              batch,
              dispute.bondWei(At.latest())));
      return Dispute.idOf(digest, challenger.address());
    }

    private ExecutionRecord record(long gas, List<Blob> outputs) throws ChainException {
      long nowUs = chain.head().timeS() * 1_000_000;
      return new ExecutionRecord(
          key(1).address(),
          new JobId(5, 1),
          0,
          "ticks",
          "ticks",
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
    }

    private Receipt done(Key who, Call call) throws ChainException, IOException {
      Outbox outbox = outboxes.get(who.address());
      if (outbox == null) {
        local.fund(who.address(), ETHER.multiply(BigInteger.valueOf(100)));
        outbox =
            Outbox.open(
                folder.resolve(who.address() + ".outbox"),
                chain,
                who,
                new Outbox.Rules(BigInteger.TEN.pow(12), 1, LONG.toMillis()),
                InstantSource.system());
        outboxes.put(who.address(), outbox);
      }
      String name = "dispute-" + sent++;
      outbox.submit(name, call, Outbox.Again.NEVER);
      return switch (outbox.await(name, LONG, 2)) {
        case Outbox.State.Done(Receipt receipt) -> receipt;
        case Outbox.State other ->
            throw new ChainException(
                ChainException.Kind.REFUSED, call.what() + ": " + Outbox.describe(other));
      };
    }
  }

  private static String whole(long count) {
    return String.format(Locale.ROOT, "%,d", count);
  }
}

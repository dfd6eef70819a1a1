package dev.perseid.cli;

import dev.perseid.chain.Abi;
import dev.perseid.chain.Artifact;
import dev.perseid.chain.At;
import dev.perseid.chain.Call;
import dev.perseid.chain.ChainException;
import dev.perseid.chain.Deployer;
import dev.perseid.chain.Deployment;
import dev.perseid.chain.Dispute;
import dev.perseid.chain.Head;
import dev.perseid.chain.Outbox;
import dev.perseid.chain.Registry;
import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.node.CheckpointHash;
import dev.perseid.node.DisputeMove;
import dev.perseid.node.DisputePlayers;
import dev.perseid.node.Receipt;
import dev.perseid.node.Replay;
import dev.perseid.node.SandboxReplay;
import dev.perseid.sandbox.Input;
import dev.perseid.sandbox.Portable;
import dev.perseid.sandbox.RunLimits;
import dev.perseid.sandbox.Sandbox;
import dev.perseid.sandbox.SandboxConfig;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Keccak;
import dev.perseid.settle.Key;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid dispute`: a result is disputed on a chain, without the pool.
@Command(
    name = "dispute",
    description =
        "Dispute a portable task's result on a chain, step by step (docs/disputes.md). Needs the"
            + " receipt and the task's files; no pool.",
    subcommands = {
      DisputeCommand.Deploy.class,
      DisputeCommand.Stake.class,
      DisputeCommand.Leave.class,
      DisputeCommand.Open.class,
      DisputeCommand.Answer.class,
      DisputeCommand.Arbitrate.class,
      DisputeCommand.Status.class,
      DisputeCommand.Collect.class
    },
    synopsisSubcommandLabel = "COMMAND")
final class DisputeCommand implements Runnable {
  @ParentCommand private Main main = Unset.main();

  @Mixin
  @SuppressWarnings("UnusedVariable") // picocli acts on it
  private Shared shared = new Shared();

  Main main() {
    return main;
  }

  /// Without a command: what there is.
  @Override
  public void run() {
    main.screen()
        .note("perseid dispute open | answer | arbitrate | status | stake | ...: see --help");
  }

  // ---- the task that is disputed ----------------------------------------------------------------

  /// What is needed to run the disputed task again.
  static final class Task {
    private static final long MOST_WALL_S = 30L * 24 * 3_600;
    private static final long ARGS_BYTES = 1 << 20;

    @Option(
        names = "--receipt",
        paramLabel = "FILE",
        required = true,
        description = "The receipt whose result is disputed, as 'perseid receipts' writes it.")
    private Path receipt = Path.of("");

    @Option(
        names = "--module",
        paramLabel = "FILE",
        required = true,
        description = "The task's module.")
    private Path module = Path.of("");

    @Option(names = "--args", paramLabel = "TEXT", description = "The task's arguments.")
    private String args = "";

    @Option(
        names = "--args-file",
        paramLabel = "FILE",
        description = "The task's arguments, in a file.")
    private @Nullable Path argsFile;

    @Option(
        names = "--input",
        paramLabel = "FILE",
        description = "An input; all of them, in their order.")
    private List<Path> inputs = new ArrayList<>();

    @Option(
        names = "--wall-s",
        paramLabel = "S",
        defaultValue = "86400",
        description = "How long a run of the task may take here; default: ${DEFAULT-VALUE}.")
    private long wallS = 86_400;

    Receipt.Signed signed() throws BadInput {
      List<String> all = VerifyCommand.receipts(receipt);
      if (all.size() != 1) {
        throw new BadInput(
            "--receipt: " + receipt + " has " + all.size() + " receipts; name a file with one");
      }
      try {
        return Receipt.signed(all.getFirst());
      } catch (IllegalArgumentException e) {
        throw new BadInput("--receipt: " + receipt + ": " + e.getMessage());
      }
    }

    /// A run of it that can be asked, in a sandbox of its own.
    Rerun rerun(Main main, ExecutionRecord record) throws BadInput, IOException {
      if (wallS < 1 || wallS > MOST_WALL_S) {
        throw new BadInput("--wall-s: 1 to " + MOST_WALL_S);
      }
      if (!record.isReplayable()) {
        throw new BadInput(
            "--receipt: the record is of a native task or of a request to a model, which nobody can"
                + " replay; only portable tasks can be disputed");
      }
      byte[] arguments = args.getBytes(StandardCharsets.UTF_8);
      if (argsFile != null) {
        if (!args.isEmpty() || Files.size(argsFile) > ARGS_BYTES) {
          throw new BadInput("--args-file: up to " + ARGS_BYTES + " bytes, and not with --args");
        }
        arguments = Files.readAllBytes(argsFile);
      }
      List<Input> opened = new ArrayList<>();
      for (Path one : inputs) {
        long size = Files.size(one);
        opened.add(size == 0 ? new Input.Inline(new byte[0]) : new Input.File(one, size));
      }
      Portable task =
          new Portable(
              1,
              record.consumer().toString(),
              module.toAbsolutePath(),
              Hash.sha256(Files.readAllBytes(module)).bytes(),
              arguments,
              opened,
              record.outputs().size(),
              new RunLimits(record.gasLimit(), record.memoryBytes(), 0, wallS * 1_000));
      Path scratch = Files.createTempDirectory(folder(main), "run");
      Sandbox sandbox =
          Sandbox.open(
              SandboxConfig.in(scratch)
                  .withSlots(1)
                  .withMaxChildren(1)
                  .withMemoryBytes(Math.max(record.memoryBytes(), 1 << 20)));
      boolean done = false;
      try {
        Rerun rerun = new Rerun(scratch, sandbox, new SandboxReplay(sandbox, task, record));
        done = true;
        return rerun;
      } catch (Replay.Impossible e) {
        throw new BadInput("--module, --args, --input: " + e.getMessage());
      } finally {
        if (!done) {
          sandbox.close();
          Folders.delete(scratch);
        }
      }
    }

    private static Path folder(Main main) throws IOException {
      return Files.createDirectories(main.home().folder().resolve("dispute"));
    }
  }

  /// A task that runs again.
  record Rerun(Path scratch, Sandbox sandbox, SandboxReplay replay) implements AutoCloseable {
    @Override
    public void close() throws IOException {
      try {
        replay.close();
      } finally {
        sandbox.close();
        Folders.delete(scratch);
      }
    }
  }

  // ---- the contract -----------------------------------------------------------------------------

  private static Dispute contract(OnChain.Session s) throws BadInput {
    return new Dispute(
        s.chain(),
        s.deployment()
            .dispute()
            .orElseThrow(() ->
                new BadInput(
                    "this deployment has no contract for disputes: 'perseid dispute deploy' makes"
                        + " one, and adds it to the file")));
  }

  private static Hash id(String text) throws BadInput {
    try {
      return Hash.parse(text);
    } catch (IllegalArgumentException e) {
      throw new BadInput("ID: " + e.getMessage() + "; 'perseid dispute open' prints it");
    }
  }

  private static DisputePlayers.Board board(OnChain.Session s, Dispute dispute, Hash id)
      throws ChainException, BadInput {
    Head head = s.chain().head();
    At at = At.block(head);
    Dispute.View view = dispute.view(id, at);
    if (view.stage() == Dispute.Stage.NONE) {
      throw new BadInput("ID: the contract " + dispute.address() + " knows no dispute 0x" + id);
    }
    List<Hash> row =
        view.stage() == Dispute.Stage.CHOOSE
            ? dispute
                .row(id, view, s.deployment().fromBlock())
                .orElseThrow(() ->
                    new ChainException(
                        ChainException.Kind.UNTRUSTED,
                        "the node has not the event with the checkpoints"))
            : List.of();
    return new DisputePlayers.Board(id, view, row, dispute.panel(id, at), head.timeS());
  }

  private static Optional<Call> call(Dispute dispute, Hash id, DisputeMove move) {
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

  private static Map<String, Object> facts(Hash id, Dispute.View v) {
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("dispute", "0x" + id);
    facts.put("stage", v.stage().name().toLowerCase(Locale.ROOT));
    facts.put("provider", v.identity().toString());
    facts.put("challenger", v.challenger().toString());
    facts.put("record", "0x" + v.record());
    facts.put("low", v.low());
    facts.put("high", v.high());
    facts.put("low_hash", "0x" + v.lowHash());
    facts.put("high_hash", "0x" + v.highHash());
    facts.put("deadline_s", v.deadlineS());
    return facts;
  }

  private static String said(Dispute.View v) {
    return switch (v.stage()) {
      case NONE -> "there is no such dispute";
      case CLAIM -> "the provider is to say how many steps there were, " + until(v);
      case CHOOSE ->
          "the challenger is to choose within positions "
              + v.low()
              + " to "
              + v.high()
              + ", "
              + until(v);
      case DIVIDE ->
          "the provider is to divide positions " + v.low() + " to " + v.high() + ", " + until(v);
      case DRAW ->
          "they differ in the step from position "
              + v.low()
              + " to "
              + v.high()
              + "; the provider is to show its number, which draws the arbiters, "
              + until(v);
      case COMMIT -> "the arbiters are to commit to their votes, " + until(v);
      case REVEAL -> "the arbiters are to show their votes, " + until(v);
      case PROVIDER_WON -> "the provider won";
      case CHALLENGER_WON -> "the challenger won: the provider is convicted";
      case UNDECIDED -> "nobody won";
    };
  }

  private static String until(Dispute.View v) {
    return "until " + Instant.ofEpochSecond(v.deadlineS());
  }

  private static void same(Dispute.View view, ExecutionRecord record) throws BadInput {
    if (!Digests.record(record).equals(view.record())) {
      throw new BadInput("--receipt: the dispute is about another record, 0x" + view.record());
    }
  }

  // ---- money ------------------------------------------------------------------------------------

  /// `perseid dispute deploy`.
  @Command(
      name = "deploy",
      description = "Put the contract for disputes beside the others; once, for all.")
  static final class Deploy implements Callable<Integer> {
    @ParentCommand private DisputeCommand dispute = new DisputeCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Option(
        names = "--bond-wei",
        paramLabel = "N",
        defaultValue = "1000000000000000000",
        description = "What a challenger brings and a liar loses; default: ${DEFAULT-VALUE}.")
    private BigInteger bondWei = BigInteger.TEN.pow(18);

    @Option(
        names = "--seat-wei",
        paramLabel = "N",
        defaultValue = "1000000000000000000",
        description = "What an arbiter must have staked; default: ${DEFAULT-VALUE}.")
    private BigInteger seatWei = BigInteger.TEN.pow(18);

    @Option(
        names = "--fee-wei",
        paramLabel = "N",
        defaultValue = "50000000000000000",
        description =
            "What an arbiter gets, a twelfth of the bond at most; default: ${DEFAULT-VALUE}.")
    private BigInteger feeWei = BigInteger.TEN.pow(16);

    @Option(
        names = "--sink",
        paramLabel = "ADDRESS",
        description = "Where nobody's part of the bonds goes, for ever; default: nobody's address.")
    private @Nullable String sink;

    @Override
    public Integer call() throws BadInput, ChainException, IOException {
      Main main = dispute.main();
      for (BigInteger one : List.of(bondWei, seatWei, feeWei)) {
        if (one.signum() <= 0 || one.bitLength() > 96) {
          throw new BadInput("--bond-wei, --seat-wei, --fee-wei: above zero, below 2^96");
        }
      }
      Address to = sink == null ? Deployer.Plan.NOBODY : OnChain.address(sink, "--sink");
      try (OnChain.Session s = on.open(main, shared)) {
        Deployment d = s.deployment();
        if (d.dispute().isPresent()) {
          throw new BadInput("the deployment has a contract for disputes: " + d.dispute().get());
        }
        s.send(
            Artifact.DISPUTE.creation(
                Abi.address(d.registry()),
                Abi.uint(bondWei),
                Abi.uint(seatWei),
                Abi.uint(feeWei),
                Abi.address(to)),
            Outbox.Again.NEVER);
        Map<String, Object> facts = new LinkedHashMap<>();
        if (!s.isDry()) {
          Address made =
              s.sent()
                  .getLast()
                  .receipt()
                  .created()
                  .orElseThrow(() ->
                      new ChainException(
                          ChainException.Kind.UNTRUSTED, "the node does not say where it is"));
          Path file = on.file(main);
          Path fresh = file.resolveSibling(file.getFileName() + ".new");
          Files.writeString(fresh, d.withDispute(made).toJson());
          Files.move(fresh, file, StandardCopyOption.REPLACE_EXISTING);
          facts.put("dispute", made.toString());
          facts.put("file", file.toString());
        }
        s.tell("disputes are decided at " + facts.getOrDefault("dispute", ""), facts);
      }
      return Exit.OK;
    }
  }

  /// `perseid dispute stake`.
  @Command(
      name = "stake",
      description =
          "As a provider (perseid chain register --role provider), stake for what you sign; with"
              + " --seat also as an arbiter.")
  static final class Stake implements Callable<Integer> {
    @ParentCommand private DisputeCommand dispute = new DisputeCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Parameters(index = "0", paramLabel = "WEI", description = "How much; 0: only the seat.")
    private BigInteger wei = BigInteger.ZERO;

    @Option(names = "--seat", description = "Take a seat among those whom draws find.")
    private boolean seat;

    @Option(
        names = "--identity",
        paramLabel = "ADDRESS",
        description = "For whom; default: the key's own address.")
    private @Nullable String identity;

    @Override
    public Integer call() throws BadInput, ChainException {
      if (wei.signum() < 0 || wei.bitLength() > 96 || (wei.signum() == 0 && !seat)) {
        throw new BadInput("WEI: above zero and below 2^96, or 0 with --seat");
      }
      try (OnChain.Session s = on.open(dispute.main(), shared)) {
        Dispute at = contract(s);
        Address who =
            identity == null ? s.key().address() : OnChain.address(identity, "--identity");
        if (wei.signum() > 0) {
          s.send(at.stake(who, wei), Outbox.Again.NEVER);
        }
        if (seat) {
          s.send(at.takeSeat(who), Outbox.Again.NEVER);
        }
        Dispute.Stake has = at.stake(who, At.latest());
        s.tell(
            who + " has staked " + OnChain.ether(has.wei()),
            Map.of("identity", who.toString(), "staked_wei", has.wei().toString()));
      }
      return Exit.OK;
    }
  }

  /// `perseid dispute leave`.
  @Command(
      name = "leave",
      description =
          "Ask the stake back and leave the seat; again after 21 days, to have it sent to your"
              + " account.")
  static final class Leave implements Callable<Integer> {
    @ParentCommand private DisputeCommand dispute = new DisputeCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Override
    public Integer call() throws BadInput, ChainException {
      try (OnChain.Session s = on.open(dispute.main(), shared)) {
        Dispute at = contract(s);
        Address who = s.key().address();
        boolean asked = at.stake(who, At.latest()).leavingAtS() != 0;
        s.send(asked ? at.withdraw(who, who) : at.askBack(who), Outbox.Again.NEVER);
        if (asked) {
          s.send(at.collect(who), Outbox.Again.NEVER);
        }
        s.tell(
            asked ? "the stake is yours again" : "asked; come again in 21 days",
            Map.of("identity", who.toString(), "withdrawn", asked));
      }
      return Exit.OK;
    }
  }

  /// `perseid dispute collect`.
  @Command(name = "collect", description = "Have sent to your account what disputes brought it.")
  static final class Collect implements Callable<Integer> {
    @ParentCommand private DisputeCommand dispute = new DisputeCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Override
    public Integer call() throws BadInput, ChainException {
      try (OnChain.Session s = on.open(dispute.main(), shared)) {
        Dispute at = contract(s);
        BigInteger owed = at.owedWei(s.key().address(), At.latest());
        s.send(at.collect(s.key().address()), Outbox.Again.NEVER);
        s.tell("collected " + OnChain.ether(owed), Map.of("collected_wei", owed.toString()));
      }
      return Exit.OK;
    }
  }

  // ---- moves ------------------------------------------------------------------------------------

  /// `perseid dispute open`.
  @Command(
      name = "open",
      description =
          "Run a task again, and if its record is wrong dispute it. Costs a bond, which a false"
              + " accuser loses.")
  static final class Open implements Callable<Integer> {
    @ParentCommand private DisputeCommand dispute = new DisputeCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();
    @Mixin private Task task = new Task();

    @Override
    public Integer call() throws BadInput, ChainException, IOException, InterruptedException {
      Main main = dispute.main();
      Receipt.Signed signed = task.signed();
      ExecutionRecord record = signed.record();
      if (record.inference().isPresent()) {
        throw new BadInput("--receipt: requests to models are not disputed by steps");
      }
      try (Rerun rerun = task.rerun(main, record)) {
        main.screen().note("running the task again");
        if (CheckpointHash.agrees(record, rerun.replay().end())) {
          main.screen().note("perseid: the record is right: the task gives this result here too");
          return Exit.FAILED;
        }
      } catch (Replay.Impossible e) {
        main.screen().note("perseid: the task could not be run again: " + e.getMessage());
        return Exit.UNREACHABLE;
      }
      try (OnChain.Session s = on.open(main, shared)) {
        Dispute at = contract(s);
        Hash id = Dispute.idOf(Digests.record(record), s.key().address());
        s.send(
            at.open(
                Digests.encodeData(record),
                record.outputs().stream().map(Blob::hash).toList(),
                signed.batch(),
                at.bondWei(At.latest())),
            Outbox.Again.NEVER);
        s.tell(
            "dispute 0x" + id + " is open; next: perseid dispute answer 0x" + id + " ...",
            s.isDry() ? Map.of() : facts(id, at.view(id, At.latest())));
      }
      return Exit.OK;
    }
  }

  /// `perseid dispute answer`.
  @Command(
      name = "answer",
      description =
          "Make the next move of a dispute if it is yours, as provider or challenger; who stays"
              + " silent for a day loses. Also draws the arbiters and ends what is overdue.")
  static final class Answer implements Callable<Integer> {
    @ParentCommand private DisputeCommand dispute = new DisputeCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();
    @Mixin private Task task = new Task();

    @Parameters(index = "0", paramLabel = "ID", description = "The dispute.")
    private String name = "";

    @Option(
        names = "--state-to",
        paramLabel = "FILE",
        description =
            "Once one step is left, write the state before it here, to hand to the arbiters.")
    private @Nullable Path stateTo;

    @Override
    public Integer call() throws BadInput, ChainException, IOException, InterruptedException {
      Main main = dispute.main();
      Hash id = id(name);
      ExecutionRecord record = task.signed().record();
      try (OnChain.Session s = on.open(main, shared);
          Rerun rerun = task.rerun(main, record)) {
        Dispute at = contract(s);
        DisputePlayers.Board board = board(s, at, id);
        same(board.view(), record);
        Address self = s.key().address();
        boolean provider =
            new Registry(s.chain(), s.deployment().registry())
                .actsFor(self, board.view().identity(), At.latest());
        if (!provider && !self.equals(board.view().challenger())) {
          throw new BadInput(
              "--key: "
                  + self
                  + " is neither the challenger "
                  + board.view().challenger()
                  + " nor a key of the provider "
                  + board.view().identity());
        }
        DisputeMove move =
            provider
                ? DisputePlayers.provider(board, secret(s.key(), id), rerun.replay())
                : DisputePlayers.challenger(board, secret(s.key(), id), rerun.replay());
        play(main, s, at, id, move);
        if (stateTo != null) {
          state(main, board.view(), rerun.replay(), stateTo);
        }
      } catch (Replay.Impossible e) {
        main.screen().note("perseid: the task could not be run again: " + e.getMessage());
        return Exit.UNREACHABLE;
      }
      return Exit.OK;
    }

    private static void state(Main main, Dispute.View view, SandboxReplay replay, Path to)
        throws BadInput, IOException, Replay.Impossible, InterruptedException {
      boolean single =
          switch (view.stage()) {
            case DRAW, COMMIT, REVEAL -> view.low() != 0;
            case NONE, CLAIM, CHOOSE, DIVIDE, PROVIDER_WON, CHALLENGER_WON, UNDECIDED -> false;
          };
      if (!single) {
        throw new BadInput(
            "--state-to: there is no single step yet, or the step is the first: that needs no"
                + " state");
      }
      if (!replay.at(List.of(view.low())).getFirst().equals(view.lowHash())) {
        throw new BadInput("--state-to: the state on which the parties agree is not the true one");
      }
      Optional<Path> state = replay.state(view.low());
      if (state.isEmpty()) {
        throw new BadInput("--state-to: this state is too large for a file");
      }
      Files.copy(state.get(), to);
      main.screen().note("the state at position " + view.low() + " is in " + to);
    }
  }

  /// What only the key knows and always finds again: a signature that is never shown.
  private static Hash secret(Key key, Hash id) {
    String what = "perseid: the secret of my moves in dispute " + id;
    return Keccak.hash(
        key.sign(Keccak.hash(what.getBytes(StandardCharsets.UTF_8)))
            .getBytes(StandardCharsets.US_ASCII));
  }

  private static void play(Main main, OnChain.Session s, Dispute dispute, Hash id, DisputeMove move)
      throws ChainException {
    Optional<Call> call = call(dispute, id, move);
    if (call.isPresent()) {
      s.send(call.get(), Outbox.Again.NEVER);
    }
    if (move instanceof DisputeMove.Wait(String why)) {
      main.screen().note("nothing to do now: " + why);
    }
    Dispute.View now = dispute.view(id, At.latest());
    Map<String, Object> facts = facts(id, now);
    facts.put("moved", call.isPresent());
    s.tell(said(now), facts);
  }

  /// `perseid dispute arbitrate`.
  @Command(
      name = "arbitrate",
      description =
          "As a drawn arbiter, run the step in dispute and vote: first commit, later, by the same"
              + " command, show the vote.")
  static final class Arbitrate implements Callable<Integer> {
    @ParentCommand private DisputeCommand dispute = new DisputeCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();
    @Mixin private Task task = new Task();

    @Parameters(index = "0", paramLabel = "ID", description = "The dispute.")
    private String name = "";

    @Option(
        names = "--identity",
        paramLabel = "ADDRESS",
        description = "The arbiter; default: the key's own address.")
    private @Nullable String identity;

    @Option(
        names = "--state",
        paramLabel = "FILE",
        description =
            "The state before the step, from a party; then only that step is run. Without it the"
                + " task is run from its beginning.")
    private @Nullable Path state;

    @Override
    public Integer call() throws BadInput, ChainException, IOException, InterruptedException {
      Main main = dispute.main();
      Hash id = id(name);
      ExecutionRecord record = task.signed().record();
      try (OnChain.Session s = on.open(main, shared);
          Rerun rerun = task.rerun(main, record)) {
        Dispute at = contract(s);
        DisputePlayers.Board board = board(s, at, id);
        same(board.view(), record);
        Address who =
            identity == null ? s.key().address() : OnChain.address(identity, "--identity");
        if (board.panel().stream().noneMatch(b -> b.identity().equals(who))) {
          throw new BadInput(who + " is no arbiter of this dispute; --identity names another");
        }
        if (state != null) {
          rerun.replay().accept(board.view().low(), state, board.view().lowHash());
        }
        play(
            main,
            s,
            at,
            id,
            DisputePlayers.arbiter(board, who, secret(s.key(), id), rerun.replay()));
        main.screen().note("steps run: " + rerun.replay().stepsRun());
      } catch (Replay.Impossible e) {
        main.screen().note("perseid: the step could not be run: " + e.getMessage());
        return Exit.UNREACHABLE;
      }
      return Exit.OK;
    }
  }

  /// `perseid dispute status`.
  @Command(name = "status", description = "Where a dispute stands; sends nothing.")
  static final class Status implements Callable<Integer> {
    @ParentCommand private DisputeCommand dispute = new DisputeCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Parameters(index = "0", paramLabel = "ID", description = "The dispute.")
    private String name = "";

    @Override
    public Integer call() throws BadInput, ChainException {
      Main main = dispute.main();
      Hash id = id(name);
      try (OnChain.Session s = on.open(main, shared)) {
        Dispute at = contract(s);
        DisputePlayers.Board board = board(s, at, id);
        Dispute.View v = board.view();
        List<String> panel =
            board.panel().stream()
                .filter(b -> !b.identity().equals(Address.ZERO))
                .map(b ->
                    b.identity()
                        + (b.revealed()
                            ? " voted 0x" + b.vote()
                            : b.committed() ? " has committed" : " has not voted"))
                .toList();
        Map<String, Object> facts = facts(id, v);
        facts.put("panel", panel);
        if (!shared.json) {
          Table table = new Table("", "");
          table.row("dispute", "0x" + id);
          table.row("record", "0x" + v.record());
          table.row("provider", v.identity());
          table.row("challenger", v.challenger());
          panel.forEach(one -> table.row("arbiter", one));
          table.row("stands", said(v));
          main.screen().say(table.lines());
        } else {
          s.tell("", facts);
        }
      }
      return Exit.OK;
    }
  }
}

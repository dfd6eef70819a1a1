package dev.perseid.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.perseid.chain.At;
import dev.perseid.chain.Call;
import dev.perseid.chain.Chain;
import dev.perseid.chain.ChainException;
import dev.perseid.chain.Collateral;
import dev.perseid.chain.Court;
import dev.perseid.chain.Deployment;
import dev.perseid.chain.Escrow;
import dev.perseid.chain.Head;
import dev.perseid.chain.Outbox;
import dev.perseid.chain.Registry;
import dev.perseid.chain.Revert;
import dev.perseid.chain.Token;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.node.Receipt;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid court`: a pool answers on a chain for what it signed.
@Command(
    name = "court",
    description =
        "Hold receipts against what a pool committed on a chain, and convict a pool that omits a"
            + " record or contradicts itself (docs/contracts.md).",
    subcommands = {
      CourtCommand.Check.class,
      CourtCommand.Report.class,
      CourtCommand.Challenge.class,
      CourtCommand.Answer.class,
      CourtCommand.Convict.class,
      CourtCommand.Status.class,
      CourtCommand.Collect.class
    },
    synopsisSubcommandLabel = "COMMAND")
final class CourtCommand implements Runnable {
  /// Records and cases that are shown to people one by one.
  private static final int SHOWN = 20;

  /// Cases that are looked up in one status.
  private static final int CASES = 1_000;

  /// How far back cases are looked for, seconds: longer than any can be open and enforced.
  private static final long CASES_S = 30L * 24 * 3_600;

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
        .note(
            "perseid court check | report | challenge | answer | convict | status | collect: see"
                + " --help");
  }

  // ---- the contracts ----------------------------------------------------------------------------

  /// The contracts at one block.
  private record Bench(Chain chain, Deployment deployment, Head head) {
    static Bench of(Chain chain, Deployment deployment) throws ChainException {
      return new Bench(chain, deployment, chain.head());
    }

    static Bench of(OnChain.Session s) throws ChainException {
      return of(s.chain(), s.deployment());
    }

    At at() {
      return At.block(head);
    }

    Court court() {
      return new Court(chain, deployment.court());
    }

    Collateral collateral() {
      return new Collateral(chain, deployment.collateral());
    }

    /// Who answers for a log's key.
    Optional<Address> identity(Address log) throws ChainException {
      return new Registry(chain, deployment.registry()).answersFor(log, at());
    }

    List<Court.Statement.Committed> committed(Address identity) throws ChainException {
      List<Court.Statement.Committed> all = new ArrayList<>();
      for (Escrow.Committed one :
          new Escrow(chain, deployment.escrow())
              .commitments(identity, deployment.fromBlock(), head)) {
        all.add(new Court.Statement.Committed(identity, one.epoch(), one.commitment()));
      }
      return all;
    }

    /// What the court was asked for in the last seconds.
    List<Court.Asked> asked(long seconds) throws ChainException {
      return court().asked(deployment.fromBlock(), head.timeS() - seconds, head);
    }
  }

  private static String nobodyAnswers(Address log) {
    return "nobody answers for the log key "
        + log
        + " on this chain: it is not registered here (--deployment, --rpc), or was retired more"
        + " than 14 days ago";
  }

  private static Hash id(String text) throws BadInput {
    try {
      return Hash.parse(text);
    } catch (IllegalArgumentException e) {
      throw new BadInput("CASE: " + e.getMessage() + "; 'perseid court status' lists them");
    }
  }

  private static Instant time(long seconds) {
    return Instant.ofEpochSecond(seconds);
  }

  private static boolean isAskedAgain(Court.Challenge c, Head head) {
    return c.stage() == Court.Stage.ANSWERED
        && head.timeS() > c.deadlineS() + Court.ASK_AGAIN_AFTER_S;
  }

  /// Where a case about a missing record stands, and what can be done.
  private static String said(Hash evidence, Court.Challenge c, Head head) {
    return switch (c.stage()) {
      case NONE -> "was never asked for";
      case OPEN ->
          head.timeS() <= c.deadlineS()
              ? "asked for; the pool has until " + time(c.deadlineS()) + " to show it"
              : "not shown until "
                  + time(c.deadlineS())
                  + "; next: perseid court convict 0x"
                  + evidence;
      case ANSWERED -> "shown by the pool";
      case LOST -> "never shown: the pool is convicted";
    };
  }

  // ---- check ------------------------------------------------------------------------------------

  /// What is known of a record.
  private enum State {
    INCLUDED,
    UNCOMMITTED,
    UNPROVED,
    CHALLENGED,
    OMITTED,
    EQUIVOCATED,
    UNKNOWN;

    String word() {
      return switch (this) {
        case INCLUDED -> "included";
        case UNCOMMITTED -> "not yet committed";
        case UNPROVED -> "unproved";
        case CHALLENGED -> "challenged";
        case OMITTED -> "omitted";
        case EQUIVOCATED -> "equivocated";
        case UNKNOWN -> "not held against a chain";
      };
    }

    boolean isBad() {
      return this == OMITTED || this == EQUIVOCATED;
    }
  }

  /// @param said what is so, in a sentence
  /// @param next what to do; empty if nothing
  private record Finding(State state, String said, String next) {}

  /// What a log's key is on this chain.
  ///
  /// @param committed of this log, the newest first
  private record Log(Optional<Address> identity, List<Court.Statement.Committed> committed) {}

  private static Map<Address, Log> logs(Bench bench, Evidence evidence) throws ChainException {
    Map<Address, Log> all = new LinkedHashMap<>();
    for (Address log : evidence.logs()) {
      Optional<Address> identity = bench.identity(log);
      List<Court.Statement.Committed> committed = new ArrayList<>();
      if (identity.isPresent()) {
        for (Court.Statement.Committed one : bench.committed(identity.get())) {
          if (one.log().equals(log)) {
            committed.add(one);
            evidence.add(one);
          }
        }
      }
      all.put(log, new Log(identity, List.copyOf(committed)));
    }
    return all;
  }

  /// The newest commitment whose root one of the record's receipts leads to.
  private static Optional<Court.Statement.Committed> proof(Log log, List<Evidence.Item> receipts) {
    return log.committed().stream()
        .filter(c ->
            receipts.stream()
                .map(i -> i.logged().head())
                .anyMatch(h -> h.size() == c.size() && h.root().equals(c.root())))
        .findFirst();
  }

  /// What is known of each record.
  private static Map<Evidence.Place, Finding> findings(
      Bench bench, Evidence evidence, List<Path> files) throws ChainException {
    Map<Address, Log> logs = logs(bench, evidence);
    Map<Evidence.Place, Finding> findings = new LinkedHashMap<>();
    List<Evidence.Place> open = new ArrayList<>();
    evidence
        .records()
        .forEach((place, receipts) -> {
          Log log = logs.get(place.log());
          Finding plain = plain(evidence, log, place, receipts, files);
          findings.put(place, plain);
          if (plain.state() == State.UNCOMMITTED || plain.state() == State.UNPROVED) {
            open.add(place);
          }
        });
    List<Hash> names =
        open.stream().map(p -> Court.omissionOf(p.log(), p.index(), p.leaf())).toList();
    List<Court.Challenge> cases = bench.court().challenges(names, bench.at());
    for (int i = 0; i < names.size(); i++) {
      Optional<Finding> asked = asked(names.get(i), cases.get(i), bench.head());
      if (asked.isPresent()) {
        findings.put(open.get(i), asked.get());
      }
    }
    return findings;
  }

  /// What the court knows of a record, if it was asked for and that still counts.
  private static Optional<Finding> asked(Hash id, Court.Challenge c, Head head) {
    String said = said(id, c, head);
    String convict = "perseid court convict 0x" + id;
    return switch (c.stage()) {
      case NONE -> Optional.empty();
      case OPEN ->
          Optional.of(
              head.timeS() > c.deadlineS()
                  ? new Finding(State.OMITTED, said, convict)
                  : new Finding(
                      State.CHALLENGED,
                      said,
                      "wait until " + time(c.deadlineS()) + ", then: " + convict));
      case LOST -> Optional.of(new Finding(State.OMITTED, said, "perseid court status 0x" + id));
      case ANSWERED ->
          isAskedAgain(c, head)
              ? Optional.empty()
              : Optional.of(new Finding(State.INCLUDED, said + " to the court", ""));
    };
  }

  /// What receipts and commitments say of a record, without the court's cases.
  private static Finding plain(
      Evidence evidence,
      @Nullable Log log,
      Evidence.Place place,
      List<Evidence.Item> receipts,
      List<Path> files) {
    if (log == null || log.identity().isEmpty()) {
      return new Finding(State.UNKNOWN, nobodyAnswers(place.log()), "");
    }
    if (evidence.isContradicted(place)) {
      return new Finding(
          State.EQUIVOCATED, "the pool signed or committed what contradicts it", report(files));
    }
    Optional<Court.Statement.Committed> proof = proof(log, receipts);
    if (proof.isPresent()) {
      return new Finding(
          State.INCLUDED,
          "in the root of epoch " + proof.get().epoch() + ", of " + proof.get().size() + " records",
          "");
    }
    Evidence.Item first = receipts.getFirst();
    String challenge = "perseid court challenge " + first.file() + " --record " + place.index();
    Optional<Court.Statement.Committed> over =
        log.committed().stream().filter(c -> c.size() > place.index()).findFirst();
    if (over.isEmpty()) {
      return new Finding(
          State.UNCOMMITTED,
          log.committed().isEmpty()
              ? "the pool has committed nothing of this log yet"
              : "the pool has committed " + log.committed().getFirst().size() + " records so far",
          "wait for the pool's next epoch and check again; if none comes: " + challenge);
    }
    return new Finding(
        State.UNPROVED,
        "the pool committed "
            + over.get().size()
            + " records in epoch "
            + over.get().epoch()
            + ", and no receipt here is of that size",
        "perseid receipts "
            + first.logged().entry().record().job()
            + " --at-size "
            + over.get().size()
            + " -o more.jsonl, then check both files; if the pool does not give it: "
            + challenge);
  }

  private static String report(List<Path> files) {
    return "perseid court report " + String.join(" ", files.stream().map(Path::toString).toList());
  }

  /// `perseid court check`.
  @Command(
      name = "check",
      description =
          "Say of each record whether it is in a root that the pool committed, and what to do if it"
              + " is not. Sends nothing; exit code 1 when a receipt is wrong or the pool is guilty.")
  static final class Check implements Callable<Integer> {
    @ParentCommand private CourtCommand court = new CourtCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Parameters(
        paramLabel = "FILE",
        arity = "1..*",
        description = "Files with receipts, as 'perseid receipts' writes them.")
    private List<Path> files = new ArrayList<>();

    @Option(
        names = "--offline",
        description = "Ask no chain: only check the receipts and hold them against each other.")
    private boolean offline;

    @Override
    public Integer call() throws BadInput, ChainException {
      Main main = court.main();
      Evidence evidence = Evidence.read(files);
      Map<Evidence.Place, Finding> findings = new LinkedHashMap<>();
      if (offline) {
        evidence
            .records()
            .forEach((place, _) ->
                findings.put(
                    place,
                    evidence.isContradicted(place)
                        ? new Finding(
                            State.EQUIVOCATED,
                            "the pool signed what contradicts it",
                            CourtCommand.report(files))
                        : new Finding(
                            State.UNKNOWN,
                            "signed by the pool",
                            "check without --offline, to hold it against what the pool committed")));
      } else {
        Deployment d = Deployment.read(on.file(main));
        try (Chain bare = on.connect(main, OptionalLong.of(d.chainId()))) {
          d.check(bare);
          findings.putAll(findings(Bench.of(bare, d), evidence, files));
        }
      }
      List<String> contradictions = new ArrayList<>();
      for (Address log : evidence.logs()) {
        evidence
            .of(log)
            .ifPresent(
                c -> contradictions.add("the pool with the log key " + log + " has " + c.said()));
      }
      if (shared.json) {
        json(main.screen(), evidence, findings, contradictions);
      } else {
        text(main.screen(), evidence, findings, contradictions);
      }
      boolean bad =
          !evidence.wrong().isEmpty()
              || !contradictions.isEmpty()
              || findings.values().stream().anyMatch(f -> f.state().isBad());
      return bad ? Exit.FAILED : Exit.OK;
    }

    private static Map<State, Integer> counts(Map<Evidence.Place, Finding> findings) {
      Map<State, Integer> counts = new EnumMap<>(State.class);
      findings.values().forEach(f -> counts.merge(f.state(), 1, Integer::sum));
      return counts;
    }

    private static void text(
        Screen screen,
        Evidence evidence,
        Map<Evidence.Place, Finding> findings,
        List<String> contradictions) {
      for (Evidence.Wrong one : evidence.wrong()) {
        screen.say(one.file() + ": receipt " + one.number() + " is WRONG: " + one.reason());
      }
      Table table = new Table(">record", "is", "because");
      Map<State, String> next = new EnumMap<>(State.class);
      int left = 0;
      int shown = 0;
      for (Map.Entry<Evidence.Place, Finding> one : findings.entrySet()) {
        Finding f = one.getValue();
        if (!f.next().isEmpty()) {
          next.putIfAbsent(f.state(), f.next());
        }
        if (f.state() == State.INCLUDED && findings.size() > SHOWN) {
          continue;
        }
        if (shown == SHOWN) {
          left++;
          continue;
        }
        shown++;
        table.row(one.getKey().index(), f.state().word(), f.said());
      }
      if (shown > 0) {
        screen.say(table.lines());
      }
      if (left > 0) {
        screen.say("... and " + left + " more; --json lists all");
      }
      contradictions.forEach(screen::say);
      List<String> sums = new ArrayList<>();
      counts(findings).forEach((state, n) -> sums.add(n + " " + state.word()));
      if (!evidence.wrong().isEmpty()) {
        sums.add(evidence.wrong().size() + " wrong");
      }
      screen.say(
          evidence.count()
              + (evidence.count() == 1 ? " receipt, " : " receipts, ")
              + findings.size()
              + (findings.size() == 1 ? " record: " : " records: ")
              + String.join(", ", sums));
      next.forEach((state, what) -> screen.say("next, as it is " + state.word() + ": " + what));
    }

    private static void json(
        Screen screen,
        Evidence evidence,
        Map<Evidence.Place, Finding> findings,
        List<String> contradictions) {
      screen.json(json -> {
        json.writeStartObject();
        json.writeNumberField("receipts", evidence.count());
        for (State state : State.values()) {
          json.writeNumberField(
              state.name().toLowerCase(Locale.ROOT), counts(findings).getOrDefault(state, 0));
        }
        json.writeArrayFieldStart("wrong");
        for (Evidence.Wrong one : evidence.wrong()) {
          json.writeStartObject();
          json.writeStringField("file", one.file().toString());
          json.writeNumberField("number", one.number());
          json.writeStringField("reason", one.reason());
          json.writeEndObject();
        }
        json.writeEndArray();
        json.writeArrayFieldStart("contradictions");
        for (String one : contradictions) {
          json.writeString(one);
        }
        json.writeEndArray();
        json.writeArrayFieldStart("records");
        for (Map.Entry<Evidence.Place, Finding> one : findings.entrySet()) {
          json.writeStartObject();
          json.writeStringField("log", one.getKey().log().toString());
          json.writeNumberField("index", one.getKey().index());
          json.writeStringField("leaf", "0x" + one.getKey().leaf());
          json.writeStringField("state", one.getValue().state().name().toLowerCase(Locale.ROOT));
          json.writeStringField("because", one.getValue().said());
          json.writeStringField("next", one.getValue().next());
          json.writeEndObject();
        }
        json.writeEndArray();
        json.writeEndObject();
      });
    }
  }

  // ---- verdicts ---------------------------------------------------------------------------------

  /// Has the bond slashed by a verdict, unless it was before, and tells how all stands.
  private static void enforce(OnChain.Session s, Main main, Hash evidence) throws ChainException {
    Bench bench = Bench.of(s);
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("case", "0x" + evidence);
    Optional<Court.Verdict> verdict = bench.court().verdict(evidence, At.latest());
    if (verdict.isEmpty()) {
      if (s.isDry()) {
        s.tell("", facts);
        return;
      }
      throw new ChainException(
          ChainException.Kind.UNTRUSTED, "the node has not the verdict that was just given");
    }
    Court.Verdict v = verdict.get();
    Collateral collateral = bench.collateral();
    long before = collateral.valueOf(v.identity(), bench.court().address(), At.latest());
    boolean slashed = true;
    try {
      s.send(bench.court().enforce(evidence, collateral.address()), Outbox.Again.NEVER);
    } catch (ChainException e) {
      String error = e.revert().map(Revert::error).orElse("");
      if (!error.equals("AlreadySlashed") && !error.equals("TooLate")) {
        throw e;
      }
      slashed = false;
      main.screen()
          .note(
              error.equals("TooLate")
                  ? "the verdict could be enforced until " + time(v.enforceUntilS()) + " only"
                  : "the verdict was enforced before");
    }
    long after = collateral.valueOf(v.identity(), bench.court().address(), At.latest());
    facts.put("pool", v.identity().toString());
    facts.put("permille", v.permille());
    facts.put("reporter", v.reporter().toString());
    facts.put("slashed", slashed && !s.isDry());
    facts.put("bonded_before", before);
    facts.put("bonded", after);
    s.tell(
        "the pool "
            + v.identity()
            + " is convicted (case 0x"
            + evidence
            + ")"
            + (slashed
                ? ": of "
                    + OnChain.money(before)
                    + " that it had bonded "
                    + OnChain.money(after)
                    + " are left; a tenth of what it lost is for "
                    + v.reporter()
                    + ": perseid court collect"
                : ""),
        facts);
  }

  /// `perseid court report`.
  @Command(
      name = "report",
      description =
          "Convict a pool that signed or committed two roots for one size of its log, or has two"
              + " records at one index; it loses its whole bond.")
  static final class Report implements Callable<Integer> {
    @ParentCommand private CourtCommand court = new CourtCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Parameters(
        paramLabel = "FILE",
        arity = "1..*",
        description =
            "Files with the receipts that contradict each other, or what the pool committed.")
    private List<Path> files = new ArrayList<>();

    @Override
    public Integer call() throws BadInput, ChainException {
      Main main = court.main();
      Evidence evidence = Evidence.read(files);
      for (Evidence.Wrong one : evidence.wrong()) {
        main.screen()
            .note(one.file() + ": receipt " + one.number() + " proves nothing: " + one.reason());
      }
      try (OnChain.Session s = on.open(main, shared)) {
        Bench bench = Bench.of(s);
        Map<Address, Log> logs = logs(bench, evidence);
        Optional<Address> nobody = Optional.empty();
        for (Map.Entry<Address, Log> one : logs.entrySet()) {
          Optional<Evidence.Contradiction> found = evidence.of(one.getKey());
          if (found.isEmpty()) {
            continue;
          }
          Evidence.Contradiction c = found.get();
          main.screen().note("the pool has " + c.said());
          if (one.getValue().identity().isEmpty()) {
            nobody = Optional.of(one.getKey());
            continue;
          }
          if (bench.court().verdict(c.evidence(), bench.at()).isPresent()) {
            main.screen().note("it was convicted of this before");
          } else {
            s.send(call(bench.court(), c), Outbox.Again.NEVER);
          }
          enforce(s, main, c.evidence());
          return Exit.OK;
        }
        if (nobody.isPresent()) {
          throw new BadInput(nobodyAnswers(nobody.get()));
        }
      }
      main.screen()
          .note(
              "perseid: nothing here contradicts itself or what the pool committed: no two roots for"
                  + " one size, no two records at one index. What is missing is not reported but"
                  + " asked for: perseid court check, then challenge");
      return Exit.FAILED;
    }

    private static Call call(Court court, Evidence.Contradiction c) {
      return switch (c) {
        case Evidence.Contradiction.Equivocation e -> court.equivocation(e.a(), e.b());
        case Evidence.Contradiction.Fork(Receipt.Logged a, Receipt.Logged b) ->
            court.fork(a.head(), a.where(), b.head(), b.where());
      };
    }
  }

  // ---- omission ---------------------------------------------------------------------------------

  /// `perseid court challenge`.
  @Command(
      name = "challenge",
      description =
          "Ask a pool to show within four days that a record is in a root that it committed. Costs a"
              + " deposit, which goes to who shows it, and comes back if nobody does.")
  static final class Challenge implements Callable<Integer> {
    @ParentCommand private CourtCommand court = new CourtCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Parameters(index = "0", paramLabel = "FILE", description = "A file with the receipt.")
    private Path file = Path.of("");

    @Option(
        names = "--record",
        paramLabel = "N",
        description = "Which record of the file: its index in the pool's log.")
    private @Nullable Long record;

    @Override
    public Integer call() throws BadInput, ChainException {
      Evidence evidence = Evidence.read(List.of(file));
      Evidence.Place place = place(evidence);
      List<Evidence.Item> receipts = evidence.records().getOrDefault(place, List.of());
      Receipt.Logged logged = receipts.getFirst().logged();
      try (OnChain.Session s = on.open(court.main(), shared)) {
        Bench bench = Bench.of(s);
        Log log = logs(bench, evidence).get(place.log());
        if (log == null || log.identity().isEmpty()) {
          throw new BadInput(nobodyAnswers(place.log()));
        }
        Optional<Court.Statement.Committed> proof = proof(log, receipts);
        if (proof.isPresent()) {
          throw new BadInput(
              "record "
                  + place.index()
                  + " is in the root that the pool committed in epoch "
                  + proof.get().epoch()
                  + ", as its receipt shows: the pool would answer, and keep your deposit");
        }
        Court contract = bench.court();
        Hash id = Court.omissionOf(place.log(), place.index(), place.leaf());
        Court.Challenge before = contract.challenge(id, bench.at());
        if (before.stage() != Court.Stage.NONE && !isAskedAgain(before, bench.head())) {
          throw new BadInput(
              "record "
                  + place.index()
                  + " was asked for before, case 0x"
                  + id
                  + ": "
                  + said(id, before, bench.head()));
        }
        if (bench.collateral().valueOf(log.identity().get(), contract.address(), bench.at()) == 0) {
          court
              .main()
              .screen()
              .note(
                  "the pool has nothing bonded under this court: to be convicted costs it nothing");
        }
        BigInteger depositWei = contract.challengeDeposit(bench.at());
        s.send(contract.challenge(logged.head(), logged.where(), depositWei), Outbox.Again.NEVER);
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("case", "0x" + id);
        facts.put("pool", log.identity().get().toString());
        facts.put("record", place.index());
        facts.put("deposit_wei", depositWei.toString());
        long deadlineS = s.isDry() ? 0 : contract.challenge(id, At.latest()).deadlineS();
        facts.put("deadline_s", deadlineS);
        s.tell(
            "record "
                + place.index()
                + " is asked for with a deposit of "
                + OnChain.ether(depositWei)
                + ", case 0x"
                + id
                + "; the pool has until "
                + time(deadlineS)
                + ", then: perseid court convict 0x"
                + id,
            facts);
      }
      return Exit.OK;
    }

    private Evidence.Place place(Evidence evidence) throws BadInput {
      Set<Evidence.Place> fit = new LinkedHashSet<>();
      for (Evidence.Place one : evidence.records().keySet()) {
        if (record == null || one.index() == record) {
          fit.add(one);
        }
      }
      if (fit.size() == 1) {
        return fit.iterator().next();
      }
      if (fit.isEmpty() && !evidence.wrong().isEmpty()) {
        Evidence.Wrong first = evidence.wrong().getFirst();
        throw new BadInput(
            file + ": receipt " + first.number() + " proves nothing: " + first.reason());
      }
      throw new BadInput(
          fit.isEmpty()
              ? "--record: " + file + " has no receipt of record " + record
              : record == null
                  ? file + " has receipts of " + fit.size() + " records; write --record N for one"
                  : file
                      + " has receipts of several records "
                      + record
                      + ": that is reported, not asked for: perseid court report "
                      + file);
    }
  }

  /// `perseid court answer`.
  @Command(
      name = "answer",
      description =
          "As a pool's operator, show the records that were asked for in a root that the pool"
              + " committed, by proofs out of its own log. Brings the deposits.")
  static final class Answer implements Callable<Integer> {
    @ParentCommand private CourtCommand court = new CourtCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Option(
        names = "--pool",
        paramLabel = "HOST:PORT@0xADDRESS",
        description =
            "The pool; default: PERSEID_POOL, the config file, or the pool that runs on this"
                + " machine. --key must be its own, or an operator's.")
    private @Nullable String pool;

    @Parameters(
        paramLabel = "CASE",
        arity = "0..*",
        description = "Which; default: all that wait for the key's pool.")
    private List<String> names = new ArrayList<>();

    @Override
    public Integer call() throws BadInput, ChainException, PoolFailure {
      Main main = court.main();
      Set<Hash> wanted = new LinkedHashSet<>();
      for (String name : names) {
        wanted.add(id(name));
      }
      int shown = 0;
      int left = 0;
      try (OnChain.Session s = on.open(main, shared)) {
        Bench bench = Bench.of(s);
        List<Court.Asked> open = open(s, bench, wanted);
        if (!open.isEmpty()) {
          try (PoolClient client =
              PoolClient.connect(
                  main.home().pool(Optional.ofNullable(pool)), s.key(), PoolClient.Role.OPERATOR)) {
            for (Court.Asked one : open) {
              Optional<String> trouble = show(s, bench, client, one);
              if (trouble.isEmpty()) {
                shown++;
              } else {
                left++;
                main.screen()
                    .note(
                        "record "
                            + one.index()
                            + " (case 0x"
                            + one.evidence()
                            + ", until "
                            + time(one.deadlineS())
                            + "): "
                            + trouble.get());
              }
            }
          }
        }
        s.tell(
            open.isEmpty()
                ? "nobody waits for an answer"
                : shown
                    + (shown == 1 ? " record" : " records")
                    + " shown"
                    + (left == 0 ? "" : ", " + left + " left")
                    + (shown == 0
                        ? ""
                        : "; the deposits are yours: perseid court collect --key " + on.key),
            Map.of("shown", shown, "left", left));
      }
      return left == 0 ? Exit.OK : Exit.FAILED;
    }

    private static List<Court.Asked> open(OnChain.Session s, Bench bench, Set<Hash> wanted)
        throws BadInput, ChainException {
      Optional<Address> self = bench.identity(s.key().address());
      if (wanted.isEmpty() && self.isEmpty()) {
        throw new BadInput(
            "--key: "
                + s.key().address()
                + " is the key of no pool on this chain; write --key pool, or name the CASE");
      }
      List<Hash> names = List.copyOf(wanted);
      List<Court.Challenge> named = bench.court().challenges(names, bench.at());
      for (int i = 0; i < names.size(); i++) {
        if (!waits(named.get(i), bench.head())) {
          throw new BadInput(
              "CASE: 0x"
                  + names.get(i)
                  + " does not wait for an answer: "
                  + said(names.get(i), named.get(i), bench.head())
                  + "; 'perseid court status' lists what was asked for");
        }
      }
      List<Court.Asked> open = new ArrayList<>();
      for (Court.Asked one : bench.asked(Court.ANSWER_TIME_S)) {
        boolean meant =
            wanted.isEmpty()
                ? self.equals(Optional.of(one.identity()))
                : wanted.contains(one.evidence());
        if (meant && waits(bench.court().challenge(one.evidence(), bench.at()), bench.head())) {
          open.add(one);
        }
      }
      return open;
    }

    private static boolean waits(Court.Challenge c, Head head) {
      return c.stage() == Court.Stage.OPEN && head.timeS() <= c.deadlineS();
    }

    /// @return why not; empty if it is done
    private static Optional<String> show(
        OnChain.Session s, Bench bench, PoolClient client, Court.Asked asked)
        throws ChainException, PoolFailure {
      Optional<Court.Statement.Committed> over =
          bench.committed(asked.identity()).stream()
              .filter(c -> c.log().equals(asked.log()) && c.size() > asked.index())
              .findFirst();
      if (over.isEmpty()) {
        return Optional.of(
            "it is in no committed root yet; close an epoch with 'perseid pool settle', then answer"
                + " again");
      }
      Court.Statement.Committed c = over.get();
      if (!client.pool().equals(asked.log())) {
        return Optional.of(
            "it is about the log of the key "
                + asked.log()
                + ", and this pool's is "
                + client.pool()
                + ": name the right --pool");
      }
      Optional<String> receipt = client.receiptAt(asked.index(), c.size());
      if (receipt.isEmpty()) {
        return Optional.of("the pool does not show its own record: is --key an operator's?");
      }
      Receipt.Logged logged;
      try {
        logged = Receipt.logged(receipt.get());
      } catch (IllegalArgumentException e) {
        return Optional.of("the pool's own receipt is wrong: " + e.getMessage());
      }
      if (logged.where().index() != asked.index() || !logged.where().leaf().equals(asked.leaf())) {
        return Optional.of(
            "the pool's log has another record there: this cannot be answered. Was the log lost or"
                + " changed?");
      }
      if (!logged.head().root().equals(c.root())) {
        return Optional.of(
            "the pool's log is not the one that it committed in epoch "
                + c.epoch()
                + ": this cannot be answered. Was the log lost or changed?");
      }
      s.send(bench.court().answer(c, logged.where()), Outbox.Again.NEVER);
      return Optional.empty();
    }
  }

  /// `perseid court convict`.
  @Command(
      name = "convict",
      description =
          "Convict a pool that did not show a record in time: it loses half its bond. Also has the"
              + " bond slashed by a verdict that was given before.")
  static final class Convict implements Callable<Integer> {
    @ParentCommand private CourtCommand court = new CourtCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Parameters(index = "0", paramLabel = "CASE", description = "The case.")
    private String name = "";

    @Override
    public Integer call() throws BadInput, ChainException {
      Hash id = id(name);
      try (OnChain.Session s = on.open(court.main(), shared)) {
        Bench bench = Bench.of(s);
        if (bench.court().verdict(id, bench.at()).isEmpty()) {
          Court.Challenge c = bench.court().challenge(id, bench.at());
          switch (c.stage()) {
            case NONE, LOST ->
                throw new BadInput(
                    "CASE: the court "
                        + bench.court().address()
                        + " knows no case 0x"
                        + id
                        + "; 'perseid court status' lists them");
            case ANSWERED ->
                throw new BadInput(
                    "CASE: 0x"
                        + id
                        + " was answered: the pool showed the record, and nobody is"
                        + " guilty");
            // Whether the deadline is over is for the contract to say, by the time of its block.
            case OPEN -> s.send(bench.court().omission(id), Outbox.Again.NEVER);
          }
        }
        enforce(s, court.main(), id);
      }
      return Exit.OK;
    }
  }

  // ---- status and money -------------------------------------------------------------------------

  /// What is owed to an account.
  ///
  /// @param bonds by asset, its name and the amount
  private record Owed(BigInteger wei, List<Owing> bonds) {
    record Owing(int asset, String symbol, long amount) {}

    static Owed to(Address account, Bench bench) throws ChainException {
      List<Owing> bonds = new ArrayList<>();
      List<Collateral.Asset> assets = bench.collateral().assets(bench.at());
      for (int i = 0; i < assets.size(); i++) {
        long amount = bench.collateral().owedTo(i, account, bench.at());
        if (amount > 0) {
          bonds.add(
              new Owing(
                  i, new Token(bench.chain(), assets.get(i).token()).symbol(bench.at()), amount));
        }
      }
      return new Owed(bench.court().owedWei(account, bench.at()), bonds);
    }

    boolean isNothing() {
      return wei.signum() == 0 && bonds.isEmpty();
    }

    String text() {
      List<String> parts = new ArrayList<>();
      if (wei.signum() > 0) {
        parts.add(OnChain.ether(wei));
      }
      bonds.forEach(b -> parts.add(OnChain.money(b.amount()) + " " + b.symbol()));
      return parts.isEmpty() ? "nothing" : String.join(", ", parts);
    }
  }

  /// `perseid court status`.
  @Command(
      name = "status",
      description = "Cases of the last 30 days with their deadlines, and what is owed to you.")
  static final class Status implements Callable<Integer> {
    @ParentCommand private CourtCommand court = new CourtCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Parameters(
        index = "0",
        paramLabel = "CASE",
        arity = "0..1",
        description = "Which; default: all.")
    private @Nullable String name;

    @Option(
        names = "--of",
        paramLabel = "IDENTITY",
        description = "Only cases of this pool, and what it has bonded.")
    private @Nullable String identity;

    /// A case.
    private record Row(
        Hash id,
        String pool,
        String about,
        String said,
        String stage,
        OptionalLong deadlineS,
        OptionalLong enforceUntilS) {}

    @Override
    public Integer call() throws BadInput, ChainException {
      Main main = court.main();
      Optional<Hash> only = name == null ? Optional.empty() : Optional.of(id(name));
      Optional<Address> of =
          identity == null ? Optional.empty() : Optional.of(OnChain.address(identity, "--of"));
      Address self = main.home().key(on.key).address();
      Deployment d = Deployment.read(on.file(main));
      try (Chain bare = on.connect(main, OptionalLong.of(d.chainId()))) {
        d.check(bare);
        Bench bench = Bench.of(bare, d);
        List<Row> rows = rows(bench, only, of);
        if (only.isPresent() && rows.isEmpty()) {
          throw new BadInput(
              "CASE: the court "
                  + d.court()
                  + " has no case 0x"
                  + only.get()
                  + " of the last 30"
                  + " days");
        }
        Owed owed = Owed.to(self, bench);
        OptionalLong bonded =
            of.isEmpty()
                ? OptionalLong.empty()
                : OptionalLong.of(bench.collateral().valueOf(of.get(), d.court(), bench.at()));
        if (shared.json) {
          main.screen().json(json -> write(json, self, rows, owed, bonded));
        } else {
          say(main.screen(), self, rows, owed, bonded);
        }
      }
      return Exit.OK;
    }

    private static List<Row> rows(Bench bench, Optional<Hash> only, Optional<Address> of)
        throws ChainException {
      Map<Hash, Row> rows = new LinkedHashMap<>();
      for (Court.Asked one : bench.asked(CASES_S).reversed()) {
        if (rows.size() == CASES
            || (only.isPresent() && !only.get().equals(one.evidence()))
            || (of.isPresent() && !of.get().equals(one.identity()))) {
          continue;
        }
        Court.Challenge c = bench.court().challenge(one.evidence(), bench.at());
        rows.put(
            one.evidence(),
            new Row(
                one.evidence(),
                one.identity().toString(),
                "record " + one.index(),
                said(one.evidence(), c, bench.head()),
                c.stage().name().toLowerCase(Locale.ROOT),
                OptionalLong.of(c.deadlineS()),
                OptionalLong.empty()));
      }
      for (Hash one :
          bench
              .court()
              .convicted(
                  bench.deployment().fromBlock(), bench.head().timeS() - CASES_S, bench.head())
              .reversed()) {
        if (rows.size() == CASES || (only.isPresent() && !only.get().equals(one))) {
          continue;
        }
        Optional<Court.Verdict> verdict = bench.court().verdict(one, bench.at());
        if (verdict.isEmpty() || (of.isPresent() && !of.get().equals(verdict.get().identity()))) {
          continue;
        }
        Court.Verdict v = verdict.get();
        Row before = rows.get(one);
        rows.put(
            one,
            new Row(
                one,
                v.identity().toString(),
                before == null ? "its log" : before.about(),
                "convicted: "
                    + v.permille() / 10
                    + " % of its bond, to be enforced until "
                    + time(v.enforceUntilS()),
                "convicted",
                before == null ? OptionalLong.empty() : before.deadlineS(),
                OptionalLong.of(v.enforceUntilS())));
      }
      return List.copyOf(rows.values());
    }

    private static void say(
        Screen screen, Address self, List<Row> rows, Owed owed, OptionalLong bonded) {
      if (rows.isEmpty()) {
        screen.say("no cases in the last 30 days");
      } else {
        Table table = new Table("case", "pool", "about", "stands");
        rows.stream()
            .limit(SHOWN)
            .forEach(r -> table.row("0x" + r.id(), r.pool(), r.about(), r.said()));
        screen.say(table.lines());
        if (rows.size() > SHOWN) {
          screen.say("... and " + (rows.size() - SHOWN) + " more; --json lists them");
        }
      }
      bonded.ifPresent(value -> screen.say("bonded under this court: " + OnChain.money(value)));
      screen.say(
          "owed to "
              + self
              + ": "
              + owed.text()
              + (owed.isNothing() ? "" : "; take it with: perseid court collect"));
    }

    private static void write(
        JsonGenerator json, Address self, List<Row> rows, Owed owed, OptionalLong bonded)
        throws IOException {
      json.writeStartObject();
      json.writeArrayFieldStart("cases");
      for (Row r : rows) {
        json.writeStartObject();
        json.writeStringField("case", "0x" + r.id());
        json.writeStringField("pool", r.pool());
        json.writeStringField("about", r.about());
        json.writeStringField("stage", r.stage());
        json.writeStringField("stands", r.said());
        if (r.deadlineS().isPresent()) {
          json.writeNumberField("deadline_s", r.deadlineS().getAsLong());
        }
        if (r.enforceUntilS().isPresent()) {
          json.writeNumberField("enforce_until_s", r.enforceUntilS().getAsLong());
        }
        json.writeEndObject();
      }
      json.writeEndArray();
      if (bonded.isPresent()) {
        json.writeNumberField("bonded", bonded.getAsLong());
      }
      json.writeStringField("account", self.toString());
      json.writeStringField("owed_wei", owed.wei().toString());
      json.writeArrayFieldStart("owed");
      for (Owed.Owing one : owed.bonds()) {
        json.writeStartObject();
        json.writeNumberField("asset", one.asset());
        json.writeStringField("symbol", one.symbol());
        json.writeNumberField("amount", one.amount());
        json.writeEndObject();
      }
      json.writeEndArray();
      json.writeEndObject();
    }
  }

  /// `perseid court collect`.
  @Command(
      name = "collect",
      description =
          "Have sent to your account what the court owes it: deposits, and a reporter's part of"
              + " slashed bonds.")
  static final class Collect implements Callable<Integer> {
    @ParentCommand private CourtCommand court = new CourtCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Override
    public Integer call() throws BadInput, ChainException {
      try (OnChain.Session s = on.open(court.main(), shared)) {
        Bench bench = Bench.of(s);
        Address self = s.key().address();
        Owed owed = Owed.to(self, bench);
        if (owed.wei().signum() > 0) {
          s.send(bench.court().collect(self), Outbox.Again.NEVER);
        }
        long tokens = 0;
        for (Owed.Owing one : owed.bonds()) {
          s.send(bench.collateral().collect(one.asset(), self), Outbox.Again.NEVER);
          tokens += one.asset() == 0 ? one.amount() : 0;
        }
        s.tell(
            owed.isNothing()
                ? "nothing is owed to " + self
                : "collected " + owed.text() + " for " + self,
            Map.of("collected_wei", owed.wei().toString(), "collected", tokens));
      }
      return Exit.OK;
    }
  }
}

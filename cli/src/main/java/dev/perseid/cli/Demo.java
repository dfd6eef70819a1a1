package dev.perseid.cli;

import dev.perseid.chain.Anvil;
import dev.perseid.cli.genomics.DemoReads;
import dev.perseid.cli.genomics.GenomicsJob;
import dev.perseid.cli.genomics.ReferenceRun;
import dev.perseid.core.Address;
import dev.perseid.core.Entry;
import dev.perseid.core.JobId;
import dev.perseid.core.JobSpec;
import dev.perseid.core.Offer;
import dev.perseid.journal.Analysis;
import dev.perseid.node.MarketTerms;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolConfig;
import dev.perseid.node.PoolFailure;
import dev.perseid.node.PoolNode;
import dev.perseid.node.Receipt;
import dev.perseid.settle.Key;
import dev.perseid.wire.v1.Proto;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/// The main example, from nothing to verified receipts: a pool in this process, three providers as
/// processes of their own, one job. Leaves nothing running, and no files but the results.
final class Demo {
  private static final long GRANT = 10_000_000;
  private static final int PATH_STEPS = 12;
  private static final int VARIANTS_SHOWN = 5;

  /// A provider of the demo: its name, what it asks for 10^9 gas in credits, and its share of this
  /// machine's processors (rounded, at least one).
  private record Lender(String name, String perBillionGas, double share) {}

  private static final List<Lender> LENDERS =
      List.of(
          new Lender("laptop", "0.002", 0.25),
          new Lender("homeserver", "0.001", 0.25),
          new Lender("workstation", "0.0015", 0.5));

  /// What follows the job.
  private interface SecondAct {
    DemoModels.Result play() throws BadInput, PoolFailure, IOException, InterruptedException;
  }

  /// For people, on the stream that is not for JSON.
  private final class Voice implements DemoModels.Voice {
    @Override
    public void line(String line) {
      say(line);
    }

    @Override
    public void piece(String text) {
      if (!asJson) {
        screen.write(text);
      }
    }
  }

  private final Screen screen;
  private final Serving serving;
  private final Path example;
  private final DemoReads reads;
  private final Path out;
  private final Path kept;
  private final DemoChain.Wish money;
  private final boolean asJson;

  /// @param example the folder `examples/genomics`
  /// @param reads what to map
  /// @param out where the results go
  /// @param kept folder for what is fetched once
  /// @param money what it settles on
  Demo(
      Screen screen,
      Serving serving,
      Path example,
      DemoReads reads,
      Path out,
      Path kept,
      DemoChain.Wish money,
      boolean asJson) {
    this.screen = screen;
    this.serving = serving;
    this.example = example;
    this.reads = reads;
    this.out = out;
    this.kept = kept;
    this.money = money;
    this.asJson = asJson;
  }

  /// Runs it; true if everything came out as it should.
  boolean run() throws BadInput, PoolFailure, IOException, InterruptedException {
    long begun = System.nanoTime();
    Path folder = Files.createTempDirectory("perseid-demo-");
    serving.onStop(() -> remove(folder));

    String fasta = Files.readString(example.resolve("data/lambda.fa"), StandardCharsets.US_ASCII);
    Path fastq =
        Files.writeString(folder.resolve("reads.fq"), reads.fastq(), StandardCharsets.US_ASCII);
    say("reads: " + reads.source());

    Key poolKey = Key.generate();
    Optional<DemoChain> chain = chain(folder);
    PoolConfig config =
        PoolConfig.usual(folder.resolve("pool"), poolKey)
            .withTerms(
                new MarketTerms(Optional.empty(), DemoModels.FEE_PERMILLE, Set.of())
                    .withGateway("127.0.0.1", 0));
    if (chain.isPresent()) {
      chain.get().register(poolKey);
      config = config.withMoney(chain.get().terms());
    }
    PoolNode pool = PoolNode.start(config);
    serving.onStop(() -> Serving.close(pool, screen));
    PoolClient.Target target =
        new PoolClient.Target("127.0.0.1", pool.port(), Optional.of(poolKey.address()));
    List<Process> children = new ArrayList<>();
    List<Path> logs = new ArrayList<>();
    serving.onStop(() -> end(children));
    for (Lender lender : LENDERS) {
      Path log = folder.resolve(lender.name + ".log");
      logs.add(log);
      children.add(start(lender, target, folder, log));
    }

    Key consumer = Key.generate();
    try (PoolClient operator = PoolClient.connect(target, poolKey, PoolClient.Role.OPERATOR);
        DemoMoney purse = fund(chain, operator, target, consumer)) {
      PoolClient client = purse.client();
      awaitProviders(client, children, logs);
      say(
          "pool and "
              + LENDERS.size()
              + " providers are up after "
              + Amounts.duration(System.nanoTime() - begun)
              + isolation(logs));
      DemoModels models =
          new DemoModels(
              target,
              pool.gateway().orElseThrow().url(),
              example.resolveSibling("models"),
              () -> asked(example.resolveSibling("clients").resolve("openai")),
              (name, options) -> {
                Process child =
                    provider(name, 1, options, target, folder, folder.resolve(name + ".log"));
                children.add(child);
                return child;
              },
              new Voice(),
              purse::promise,
              screen);
      return job(
          purse, target, fasta, reads.fastq(), fastq, begun, () -> models.run(client, operator));
    }
  }

  /// The chain to settle on, if there is to be one; says which it is.
  private Optional<DemoChain> chain(Path folder) throws IOException, InterruptedException {
    if (money == DemoChain.Wish.CREDITS) {
      say("money: credits in the pool's own log");
      return Optional.empty();
    }
    String path = Optional.ofNullable(System.getenv("PATH")).orElse("");
    return switch (Anvil.find(Anvil.cache(), path, this::say)) {
      case Anvil.Found.Ready(Anvil anvil) -> {
        try {
          DemoChain chain = DemoChain.start(anvil, folder);
          serving.onStop(chain::close);
          say(
              "money: play dollars in an escrow contract on a chain of this machine ("
                  + chain.name()
                  + ")");
          yield Optional.of(chain);
        } catch (IOException e) {
          yield without(String.valueOf(e.getMessage()));
        }
      }
      case Anvil.Found.Missing(String why) -> without(why);
    };
  }

  /// Goes on without a chain, unless one was insisted on.
  private Optional<DemoChain> without(String why) throws IOException {
    if (money == DemoChain.Wish.CHAIN) {
      throw new IOException("there is no chain here: " + why);
    }
    say("money: credits in the pool's own log; not a chain: " + why);
    return Optional.empty();
  }

  /// Gives the consumer something to spend, and connects it.
  private DemoMoney fund(
      Optional<DemoChain> chain, PoolClient operator, PoolClient.Target target, Key consumer)
      throws PoolFailure, IOException, InterruptedException {
    if (chain.isPresent()) {
      operator.move(true, reply -> {});
      chain.get().fund(consumer, operator.pool(), GRANT);
    } else {
      operator.grant(consumer.address(), GRANT, "demo");
    }
    PoolClient client = PoolClient.connect(target, consumer, PoolClient.Role.CONSUMER);
    DemoMoney purse = new DemoMoney(chain, operator, client, this::say);
    purse.await(GRANT);
    return purse;
  }

  /// What the models are asked with, and why if it is not the official client.
  private DemoClient asked(Path sources) throws InterruptedException {
    String path = Optional.ofNullable(System.getenv("PATH")).orElse("");
    return switch (OfficialClient.find(sources, kept, path, this::say)) {
      case OfficialClient.Found.Ready(OfficialClient client) -> {
        say("asked by OpenAI's own client, unchanged: " + client.name());
        yield client;
      }
      case OfficialClient.Found.Missing(String why) -> {
        say("asked by plain HTTP, not by OpenAI's own client: " + why);
        yield new PlainClient();
      }
    };
  }

  // ---- processes
  // ------------------------------------------------------------------------------------

  private static Process start(Lender lender, PoolClient.Target target, Path folder, Path log)
      throws IOException {
    int cores =
        (int) Math.max(1, Math.round(Runtime.getRuntime().availableProcessors() * lender.share));
    return provider(
        lender.name, cores, List.of("--price-gas", lender.perBillionGas), target, folder, log);
  }

  private static Process provider(
      String name, int cores, List<String> options, PoolClient.Target target, Path folder, Path log)
      throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "--add-modules",
                "jdk.incubator.vector",
                "-Xmx512m",
                "-XX:+UseSerialGC",
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName(),
                "provider",
                "--until-stdin-ends",
                "--without-isolation",
                "--pool",
                target.toString(),
                "--name",
                name,
                "--cores",
                Integer.toString(cores),
                "--memory-mib",
                Integer.toString(1_024 * cores),
                "--drain-s",
                "5"));
    command.addAll(options);
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("PERSEID_HOME", folder.resolve(name).toString());
    return builder.redirectErrorStream(true).redirectOutput(log.toFile()).start();
  }

  private static void awaitProviders(PoolClient client, List<Process> children, List<Path> logs)
      throws PoolFailure, IOException, InterruptedException {
    long begun = System.nanoTime();
    while (true) {
      long serving =
          client.providers().stream().filter(p -> p.getState().equals("serving")).count();
      if (serving >= children.size()) {
        return;
      }
      for (int i = 0; i < children.size(); i++) {
        if (!children.get(i).isAlive()) {
          throw new IOException(
              "provider '" + LENDERS.get(i).name + "' ended by itself: " + lastLine(logs.get(i)));
        }
      }
      if (System.nanoTime() - begun > DemoLimits.JOIN_NS) {
        throw new IOException(
            "the providers did not join within "
                + Amounts.duration(DemoLimits.JOIN_NS)
                + ": "
                + lastLine(logs.getFirst()));
      }
      TimeUnit.MILLISECONDS.sleep(50);
    }
  }

  /// What the providers said about isolation, if it is missing.
  private static String isolation(List<Path> logs) throws IOException {
    for (Path log : logs) {
      for (String line : Files.readAllLines(log)) {
        if (line.startsWith("no isolation")) {
          return "; " + line;
        }
      }
    }
    return ", each task isolated by bubblewrap";
  }

  private static String lastLine(Path log) throws IOException {
    List<String> lines = Files.readAllLines(log);
    return lines.isEmpty() ? "it said nothing" : lines.getLast();
  }

  /// Ends the providers: they stop when their standard input does.
  private static void end(List<Process> children) {
    for (Process child : children) {
      try {
        child.getOutputStream().close();
      } catch (IOException e) {
        child.destroy();
      }
    }
    long deadline = System.nanoTime() + DemoLimits.END_MS * 1_000_000;
    for (Process child : children) {
      try {
        if (!child.waitFor(Math.max(1, deadline - System.nanoTime()), TimeUnit.NANOSECONDS)) {
          child.destroyForcibly().waitFor(5, TimeUnit.SECONDS);
        }
      } catch (InterruptedException e) {
        child.destroyForcibly();
        Thread.currentThread().interrupt();
      }
    }
  }

  private void remove(Path folder) {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted((a, b) -> b.compareTo(a)).toList()) {
        Files.deleteIfExists(file);
      }
    } catch (IOException | UncheckedIOException e) {
      screen.note(folder + " could not be removed: " + e.getMessage());
    }
  }

  // ---- the job
  // --------------------------------------------------------------------------------------

  private boolean job(
      DemoMoney purse,
      PoolClient.Target target,
      String fasta,
      String fastq,
      Path readsFile,
      long begun,
      SecondAct second)
      throws BadInput, PoolFailure, IOException, InterruptedException {
    JobPlan plan =
        JobReader.read(
            example.resolve("job.yaml"),
            Map.of("data/reads.fq", readsFile),
            LocalFiles.Stored.NONE);
    PoolClient client = purse.client();
    RunCommand.upload(client, plan, screen);
    JobSpec spec = plan.spec(client.self(), new SecureRandom().nextLong() & Long.MAX_VALUE);
    long submitted = System.nanoTime();
    purse.pay(spec.budget());
    JobId id = RunCommand.submit(client, spec);
    say("job " + id + ": " + plan.tasks().size() + " tasks");
    Progress progress = new Progress(screen);
    Proto.JobProgress end = client.watch(id, progress::show);
    long jobNs = System.nanoTime() - submitted;
    say(Progress.ending(end));
    if (!end.getState().equals("done")) {
      return false;
    }

    Files.createDirectories(out);
    Map<String, byte[]> results = new LinkedHashMap<>();
    for (PoolClient.Output output : client.results(id)) {
      Path file = out.resolve(RunCommand.fileName(output));
      client.download(output.blob(), file);
      results.put(output.taskName() + ":" + output.output(), Files.readAllBytes(file));
    }
    heading("result");
    say(
        text(results, "report:0")
            .lines()
            .takeWhile(line -> !line.isBlank()) // the rest is a long chart
            .toList());
    variants(text(results, "variants:0"));
    boolean same = compare(results, fasta, fastq, jobNs);

    List<Entry> entries = new ArrayList<>();
    client.records(Optional.of(id), 0, 0, logged -> entries.add(logged.entry()));
    Map<Address, Offer> offers = new LinkedHashMap<>();
    List<Proto.ProviderView> providers = client.providers();
    for (Proto.ProviderView view : providers) {
      Offer offer = ProvidersCommand.offer(view);
      offers.put(offer.provider(), offer);
    }
    heading("records");
    say(RecordsCommand.byKind(entries));
    path(entries, offers);
    utilisation(entries, offers);
    boolean balanced = bill(client, end, providers);
    boolean verified = receipts(client, id, target, entries.size());
    DemoModels.Result models = second.play();
    boolean settled = settle(purse, entries, id, models.requests());
    say("");
    say(
        "results in "
            + out
            + "; the whole demo took "
            + Amounts.duration(System.nanoTime() - begun));
    boolean good = same && balanced && verified && models.good() && settled;
    if (asJson) {
      screen.json(json -> {
        json.writeStartObject();
        Progress.fields(json, end);
        json.writeBooleanField("equal_to_single_process", same);
        json.writeBooleanField("bill_balances", balanced);
        json.writeBooleanField("receipts_verified", verified);
        json.writeBooleanField("models_answered_and_paid", models.good());
        json.writeNumberField("requests", models.requests());
        json.writeStringField("money", purse.chain().isPresent() ? "chain" : "credits");
        json.writeBooleanField("settled", settled);
        json.writeStringField("client", models.client());
        json.writeNumberField("records", entries.size());
        json.writeStringField("results", out.toString());
        json.writeEndObject();
      });
    }
    return good;
  }

  private static String text(Map<String, byte[]> results, String name) {
    return new String(results.getOrDefault(name, new byte[0]), StandardCharsets.US_ASCII);
  }

  /// The first variants of a VCF file.
  private void variants(String vcf) {
    List<String[]> rows =
        vcf.lines().filter(line -> !line.startsWith("#")).map(line -> line.split("\t")).toList();
    Table table = new Table(">position", "genome", "reads", "evidence");
    for (String[] row : rows.subList(0, Math.min(VARIANTS_SHOWN, rows.size()))) {
      table.row(row[1], row[3], row[4], row[7]);
    }
    say(table.lines());
    if (rows.size() > VARIANTS_SHOWN) {
      say("... and " + (rows.size() - VARIANTS_SHOWN) + " more in " + out.resolve("variants.0"));
    }
  }

  private boolean compare(Map<String, byte[]> results, String fasta, String fastq, long jobNs) {
    long begun = System.nanoTime();
    ReferenceRun.Results plain = ReferenceRun.of(fasta, fastq, GenomicsJob.WINDOW_BASES);
    long plainNs = System.nanoTime() - begun;
    Map<String, String> expected = new LinkedHashMap<>();
    List<String> texts =
        List.of(plain.sam(), plain.bedGraph(), plain.windows(), plain.vcf(), plain.report());
    List<GenomicsJob.OutputOf> names = GenomicsJob.results();
    for (int i = 0; i < names.size(); i++) {
      expected.put(names.get(i).task() + ":" + names.get(i).output(), texts.get(i));
    }
    List<String> different = new ArrayList<>();
    expected.forEach((name, text) -> {
      if (!Arrays.equals(
          text.getBytes(StandardCharsets.US_ASCII), results.getOrDefault(name, new byte[0]))) {
        different.add(name);
      }
    });
    if (different.isEmpty()) {
      say(
          "all "
              + expected.size()
              + " result files equal those of a plain single-process run, byte for byte (it took "
              + Amounts.duration(plainNs)
              + ", the pool "
              + Amounts.duration(jobNs)
              + ")");
    } else {
      say("DIFFERENT from a plain single-process run: " + String.join(", ", different));
    }
    return different.isEmpty();
  }

  private void path(List<Entry> entries, Map<Address, Offer> offers) {
    Analysis.CriticalPath path = Analysis.criticalPath(entries);
    heading(
        "critical path: "
            + Amounts.duration(path.wallNs())
            + " of "
            + Amounts.duration(path.spanUs() * 1_000));
    Table table = new Table("task", "provider", ">waited", ">ran");
    for (Analysis.Step step : path.steps().subList(0, Math.min(PATH_STEPS, path.steps().size()))) {
      table.row(
          step.name(),
          name(offers, step.provider()),
          Amounts.duration((step.assignedUs() - step.readyUs()) * 1_000),
          Amounts.duration(step.wallNs()));
    }
    say(table.lines());
  }

  private void utilisation(List<Entry> entries, Map<Address, Offer> offers) {
    heading("providers");
    Table table = new Table("provider", ">cores", ">attempts", ">busy", ">utilisation");
    for (Analysis.ProviderRow row :
        Analysis.utilisation(
            entries,
            address -> {
              Offer offer = offers.get(address);
              return offer == null ? 0 : offer.cores();
            })) {
      table.row(
          name(offers, row.provider()),
          row.cores(),
          row.attempts(),
          Amounts.duration(row.busyNs()),
          Amounts.percent(row.utilisation()));
    }
    say(table.lines());
  }

  private boolean bill(PoolClient client, Proto.JobProgress end, List<Proto.ProviderView> providers)
      throws PoolFailure {
    heading("bill");
    long earned = 0;
    Table table = new Table("", ">credits");
    for (Proto.ProviderView view : providers) {
      table.row(ProvidersCommand.offer(view).name() + " earned", Amounts.credits(view.getEarned()));
      earned += view.getEarned();
    }
    long balance = client.account(Optional.empty()).balance();
    long paid = GRANT - balance;
    table.row("the consumer paid", Amounts.credits(paid));
    table.row("refund of what was reserved", Amounts.credits(end.getBudget() - paid));
    say(table.lines());
    boolean balanced = paid == earned && paid == end.getCharged();
    say(
        balanced
            ? "paid = earned, to the microcredit"
            : "the bill does NOT balance: paid "
                + paid
                + ", earned "
                + earned
                + ", charged "
                + end.getCharged()
                + " microcredits");
    return balanced;
  }

  private boolean receipts(PoolClient client, JobId id, PoolClient.Target target, int records)
      throws PoolFailure, IOException {
    List<String> receipts = new ArrayList<>();
    client.receipts(id, receipts::add);
    Files.write(out.resolve("receipts.jsonl"), receipts);
    int verified = 0;
    for (String receipt : receipts) {
      switch (Receipt.verify(receipt, target.address())) {
        case Receipt.Check.Verified good -> verified++;
        case Receipt.Check.Wrong bad -> say("a receipt is WRONG: " + bad.reason());
      }
    }
    say("");
    say(verified + " receipts verified");
    return verified == receipts.size() && verified == records;
  }

  /// Settles what the job and the requests cost, where money is on a chain.
  private boolean settle(DemoMoney purse, List<Entry> entries, JobId job, int requests)
      throws PoolFailure, IOException, InterruptedException {
    if (purse.chain().isEmpty()) {
      return true;
    }
    heading("settlement");
    List<Proto.ProviderView> providers = purse.client().providers();
    Map<Address, String> names = new LinkedHashMap<>();
    for (Proto.ProviderView view : providers) {
      Offer offer = ProvidersCommand.offer(view);
      names.put(offer.provider(), offer.name() + "'s account");
    }
    return purse.settle(names, job, entries.size() + requests, this::say);
  }

  private static String name(Map<Address, Offer> offers, Address address) {
    Offer offer = offers.get(address);
    return offer == null ? address.toString() : offer.name();
  }

  // ---- output
  // ---------------------------------------------------------------------------------------

  private void heading(String text) {
    say("");
    say("== " + text);
  }

  private void say(List<String> lines) {
    lines.forEach(this::say);
  }

  /// For people, on the stream that is not for JSON.
  private void say(String line) {
    if (asJson) {
      screen.note(line);
    } else {
      screen.say(line);
    }
  }
}

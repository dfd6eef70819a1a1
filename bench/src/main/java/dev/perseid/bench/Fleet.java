package dev.perseid.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.perseid.core.Address;
import dev.perseid.core.Entry;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.settle.Key;
import dev.perseid.settle.PasswordSource;
import dev.perseid.wire.v1.Proto;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// A pool and its providers as processes of their own on this machine, started through the command
/// line as a user would, and the consumer's connection to them. Closing ends all and removes their
/// files.
final class Fleet implements AutoCloseable {
  /// Seconds that starting may take.
  private static final int START_S = 120;

  private static final int END_S = 20;
  private static final long GRANT = 1_000_000_000_000L;
  private static final Pattern POOL = Pattern.compile("\"pool\":\"([^\"]+)\"");
  private static final Pattern GATEWAY = Pattern.compile("\"gateway\":\"[^\"]*:([0-9]+)\"");
  private static final Pattern GC = Pattern.compile("Pause .* ([0-9]+)M->([0-9]+)M\\(");

  private final Path folder;
  private final List<String> poolFlags;
  private final List<String> poolArguments;
  private final Key poolKey;
  private Process pool;
  private PoolClient.Target target;
  private PoolClient client;
  private final List<Process> providers = new ArrayList<>();
  private long nonce = 1;

  /// Starts a pool without providers.
  ///
  /// @param folder an empty folder; removed at the end
  /// @param poolFlags for the pool's JVM, e.g. `-Xmx2g`
  static Fleet start(Path folder, List<String> poolFlags)
      throws IOException, PoolFailure, InterruptedException {
    return start(folder, poolFlags, List.of("--gateway-port", "off"));
  }

  /// As the other, with further arguments of `perseid pool`.
  static Fleet start(Path folder, List<String> poolFlags, List<String> poolArguments)
      throws IOException, PoolFailure, InterruptedException {
    return new Fleet(folder, poolFlags, poolArguments);
  }

  private Fleet(Path folder, List<String> poolFlags, List<String> poolArguments)
      throws IOException, PoolFailure, InterruptedException {
    this.folder = folder;
    this.poolFlags = poolFlags;
    this.poolArguments = poolArguments;
    poolKey = Key.loadOrCreate(folder.resolve("pool/keys/pool"), PasswordSource.of(Map.of()));
    Key consumer = Key.generate();
    pool = launchPool();
    try {
      target = awaitPool();
      try (PoolClient operator = PoolClient.connect(target, poolKey, PoolClient.Role.OPERATOR)) {
        operator.grant(consumer.address(), GRANT, "benchmark");
      }
      client = PoolClient.connect(target, consumer, PoolClient.Role.CONSUMER);
      client.upload(EmptyTask.BLOB, PoolClient.Content.of(EmptyTask.MODULE), _ -> {});
    } catch (IOException | PoolFailure | InterruptedException | RuntimeException e) {
      pool.destroyForcibly();
      throw e;
    }
  }

  private Process launchPool() throws IOException {
    List<String> flags = new ArrayList<>(poolFlags);
    flags.add("-Xlog:gc:file=" + folder.resolve("gc.log"));
    List<String> arguments = new ArrayList<>(List.of("pool", "--json", "--port", "0"));
    arguments.addAll(poolArguments);
    return launch("pool", flags, arguments);
  }

  private PoolClient.Target awaitPool() throws IOException, InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_S);
    while (true) {
      Matcher m = POOL.matcher(Files.readString(log("pool")));
      if (m.find()) {
        return PoolClient.Target.parse(m.group(1));
      }
      check(pool, "pool", deadline);
      TimeUnit.MILLISECONDS.sleep(20);
    }
  }

  private void check(Process process, String name, long deadline) throws IOException {
    if (!process.isAlive() || System.nanoTime() > deadline) {
      throw new IOException("the " + name + " did not start: " + Files.readString(log(name)));
    }
  }

  private Path log(String name) {
    return folder.resolve(name + ".log");
  }

  /// Starts providers and waits until the pool serves them.
  ///
  /// @param cores of each
  void addProviders(int count, int cores, List<String> flags)
      throws IOException, PoolFailure, InterruptedException {
    addProviders(count, cores, flags, List.of());
  }

  /// As the other, with further arguments of `perseid provider`.
  void addProviders(int count, int cores, List<String> flags, List<String> more)
      throws IOException, PoolFailure, InterruptedException {
    for (int i = 0; i < count; i++) {
      String name = "provider-" + providers.size();
      List<String> arguments =
          new ArrayList<>(
              List.of(
                  "provider",
                  "--until-stdin-ends",
                  "--pool",
                  target.toString(),
                  "--name",
                  name,
                  "--cores",
                  Integer.toString(cores),
                  "--memory-mib",
                  Integer.toString(256 * cores),
                  "--drain-s",
                  "2"));
      arguments.addAll(more);
      providers.add(launch(name, flags, arguments));
    }
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_S);
    while (serving() < providers.size()) {
      for (int i = 0; i < providers.size(); i++) {
        check(providers.get(i), "provider-" + i, deadline);
      }
      TimeUnit.MILLISECONDS.sleep(50);
    }
  }

  private long serving() throws PoolFailure {
    return client.providers().stream().filter(p -> p.getState().equals("serving")).count();
  }

  private Process launch(String name, List<String> flags, List<String> arguments)
      throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("--enable-native-access=ALL-UNNAMED");
    command.add("--sun-misc-unsafe-memory-access=allow");
    // As the launcher does for pools and providers.
    command.add("--add-modules");
    command.add("jdk.incubator.vector");
    command.addAll(flags);
    command.add("-cp");
    command.add(System.getProperty("java.class.path"));
    command.add("dev.perseid.cli.Main");
    command.addAll(arguments);
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("PERSEID_HOME", folder.resolve(name).toString());
    return builder.redirectErrorStream(true).redirectOutput(log(name).toFile()).start();
  }

  /// Runs a command of somebody with a new key to its end.
  ///
  /// @param arguments in which `POOL` stands for the pool's address
  void command(String name, List<String> arguments) throws IOException, InterruptedException {
    Process process =
        launch(
            name,
            List.of(),
            arguments.stream().map(a -> a.equals("POOL") ? target.toString() : a).toList());
    if (!process.waitFor(START_S, TimeUnit.SECONDS) || process.exitValue() != 0) {
      process.destroyForcibly();
      throw new IOException(name + ": " + Files.readString(log(name)));
    }
  }

  /// An API key of the consumer's account.
  String apiKey() throws PoolFailure {
    String key = "sk-perseid-" + Hash.sha256(target.toString().getBytes(UTF_8)).hex();
    client.makeKey("bench", Hash.sha256(key.getBytes(UTF_8)));
    return key;
  }

  /// The consumer's connection.
  PoolClient client() {
    return client;
  }

  /// The port of the pool's gateway.
  int gatewayPort() throws IOException {
    Matcher m = GATEWAY.matcher(Files.readString(log("pool")));
    if (!m.find()) {
      throw new IOException("the pool has no gateway: " + Files.readString(log("pool")));
    }
    return Integer.parseInt(m.group(1));
  }

  /// The pool's process and the providers'.
  List<Process> processes() {
    List<Process> all = new ArrayList<>(providers);
    all.addFirst(pool);
    return all;
  }

  /// Where the pool listens.
  PoolClient.Target target() {
    return target;
  }

  /// What isolates the tasks, as the providers said; empty if they said nothing unusual.
  Optional<String> isolationMissing() throws IOException {
    for (int i = 0; i < providers.size(); i++) {
      for (String line : Files.readAllLines(log("provider-" + i))) {
        if (line.contains("no isolation")) {
          return Optional.of(line);
        }
      }
    }
    return Optional.empty();
  }

  /// Submits a job of so many empty tasks.
  JobId submit(int tasks) throws PoolFailure {
    return client.submit(EmptyTask.job(client.self(), nonce++, tasks));
  }

  /// Waits until a job is done.
  Proto.JobProgress await(JobId job) throws PoolFailure, IOException {
    Proto.JobProgress end = client.watch(job, _ -> {});
    if (!end.getState().equals("done")) {
      throw new IOException("job " + job + " ended as " + end.getState() + ": " + end.getReason());
    }
    return end;
  }

  /// Tasks of the consumer's jobs that are done.
  long done() throws PoolFailure {
    long done = 0;
    for (Proto.JobProgress job : client.list(false, 1_000)) {
      done += job.getDone();
    }
    return done;
  }

  /// What is recorded of the consumer's requests, and what their providers have got for it.
  ///
  /// @param signed records that their provider signed
  /// @param charged microcredits of all records
  /// @param earned microcredits on the providers' accounts
  record Books(long records, long signed, long charged, long earned) {}

  /// Reads all records of the consumer.
  Books books() throws PoolFailure {
    long[] sums = new long[3];
    Set<Address> earners = new HashSet<>();
    client.records(
        Optional.empty(),
        0,
        0,
        logged -> {
          ExecutionRecord record = logged.entry().record();
          sums[0]++;
          sums[1] += logged.entry().attestation() instanceof Entry.Attestation.PoolOnly ? 0 : 1;
          sums[2] += record.charge();
          earners.add(record.provider());
        });
    long earned = 0;
    try (PoolClient operator = PoolClient.connect(target, poolKey, PoolClient.Role.OPERATOR)) {
      for (Address earner : earners) {
        earned += operator.account(Optional.of(earner)).balance();
      }
    }
    return new Books(sums[0], sums[1], sums[2], earned);
  }

  /// Where the pool keeps its files.
  Path poolFolder() {
    return folder.resolve("pool/pool");
  }

  /// Kills the pool as `kill -9` does.
  void killPool() throws InterruptedException {
    pool.destroyForcibly().waitFor();
  }

  /// Starts the killed pool again and waits until it says that it listens. Its consumer's
  /// connection stays broken; it is asked for nothing any more.
  void restartPool() throws IOException, InterruptedException {
    Files.writeString(log("pool"), "");
    pool = launchPool();
    target = awaitPool();
  }

  /// Bytes in each of the pool's folders.
  String sizes() throws IOException {
    StringBuilder said = new StringBuilder();
    for (String part : List.of("records", "log")) {
      long bytes = 0;
      try (Stream<Path> files = Files.walk(poolFolder().resolve(part))) {
        for (Path file : files.filter(Files::isRegularFile).toList()) {
          bytes += Files.size(file);
        }
      }
      said.append(said.isEmpty() ? "" : ", ").append(part).append(' ').append(bytes >> 20);
      said.append(" MiB");
    }
    return said.toString();
  }

  CpuTime poolCpu() throws IOException {
    return CpuTime.of(pool.pid());
  }

  CpuTime providersCpu() throws IOException {
    CpuTime sum = new CpuTime(0, 0);
    for (Process provider : providers) {
      sum = sum.plus(CpuTime.of(provider.pid()));
    }
    return sum;
  }

  /// The pool's heap in MiB: the most that was in use before a collection, and the most that was
  /// left by one.
  long[] poolHeap() throws IOException {
    long[] peak = new long[2];
    try (Stream<String> lines = Files.lines(folder.resolve("gc.log"))) {
      for (String line : (Iterable<String>) lines::iterator) {
        Matcher m = GC.matcher(line);
        if (m.find()) {
          peak[0] = Math.max(peak[0], Long.parseLong(m.group(1)));
          peak[1] = Math.max(peak[1], Long.parseLong(m.group(2)));
        }
      }
    }
    return peak;
  }

  /// The pool's largest resident set, MiB.
  long poolResidentMib() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/" + pool.pid() + "/status"))) {
      if (line.startsWith("VmHWM:")) {
        return Long.parseLong(line.replaceAll("[^0-9]", "")) >> 10;
      }
    }
    return 0;
  }

  @Override
  public void close() throws IOException {
    client.close();
    for (Process provider : providers) {
      try {
        provider.getOutputStream().close();
      } catch (IOException e) {
        provider.destroy();
      }
    }
    providers.forEach(Fleet::end);
    pool.destroy();
    end(pool);
    remove(folder);
  }

  private static void end(Process process) {
    try {
      if (!process.waitFor(END_S, TimeUnit.SECONDS)) {
        process.destroyForcibly();
      }
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
    }
  }

  static void remove(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted((a, b) -> b.compareTo(a)).toList()) {
        Files.deleteIfExists(file);
      }
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }
}

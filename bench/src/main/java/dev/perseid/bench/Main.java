package dev.perseid.bench;

import dev.perseid.engine.RunFailure;
import dev.perseid.node.PoolFailure;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Stream;

/// `perseid bench`: each command runs one benchmark and prints its table.
public final class Main {
  private static final String USAGE =
      """
      perseid bench throughput [--tasks 100000] [--providers 3] [--cores N] [--repetitions 3]
                               [--queued 1000000] [--baselines yes|no]
      perseid bench latency [--jobs 500]
      perseid bench restart [--records 1000000] [--repetitions 3]
      perseid bench micro
      perseid bench schedule [--tasks 1000000] [--providers 10000] [--rounds 3]
      perseid bench engine [--workers 4] [--rounds 31] [--taskflow FOLDER]
      perseid bench jmh [--workers 4] [--only REGEX] [--seconds 1]
      perseid bench query [--records 1000000] [--rounds 5]
      perseid bench gateway [--rounds 3] [--only direct,nginx,portkey,perseid,relayed] [--streams yes|no]
      perseid bench tokens [--threads 1,2] [--streams 1,8,16] [--rounds 5]
      perseid bench gas [--tasks 1,10,100,1000,100000] [--rounds 5] [--block-time 2]
      perseid bench dispute [--steps 1000000] [--seeds 5]
      perseid bench trust [--hosts 200] [--jobs 10,50,100,1000] [--seeds 20] [--canaries PERCENT]
      perseid bench audit [--model published.gguf] [--finer unquantised.gguf] [--runs 40] [--tokens 1000]

      --pool-flags and --provider-flags hand JVM options, separated by spaces, to those processes.
      """;

  /// The project's own small model.
  private static final String MODEL_FOLDER = "examples/models/tiny-chat/q8_0";

  private static final String MODEL = MODEL_FOLDER + "/tiny-chat-q8_0.gguf";

  private static final Logger ROOT = Logger.getLogger("");

  private Main() {}

  /// Runs one benchmark.
  public static void main(String[] args)
      throws IOException, PoolFailure, RunFailure, InterruptedException {
    ROOT.setLevel(Level.WARNING);
    Printout report = new Printout(System.out, System.err);
    Map<String, String> options;
    try {
      options = options(args);
    } catch (IllegalArgumentException e) {
      System.err.println("perseid bench: " + e.getMessage() + "\n\n" + USAGE);
      System.exit(2);
      return;
    }
    Path home = Path.of(System.getProperty("perseid.home", ".")).toAbsolutePath();
    Path folder = Files.createTempDirectory("perseid-bench-");
    try {
      run(args[0], options, report, folder, home);
    } finally {
      if (Files.exists(folder)) {
        Fleet.remove(folder);
      }
    }
    System.exit(0);
  }

  private static void run(
      String command, Map<String, String> options, Printout report, Path folder, Path home)
      throws IOException, PoolFailure, RunFailure, InterruptedException {
    List<String> poolFlags = words(options.getOrDefault("pool-flags", "-Xmx2g"));
    List<String> providerFlags = words(options.getOrDefault("provider-flags", "-Xmx1g"));
    int providers = number(options, "providers", 3);
    int processors = Runtime.getRuntime().availableProcessors();
    switch (command) {
      case "throughput" ->
          new Throughput(
                  report,
                  new Throughput.Setting(
                      number(options, "tasks", 100_000),
                      providers,
                      number(options, "cores", Math.max(1, processors / providers)),
                      number(options, "repetitions", 3),
                      number(options, "queued", 1_000_000),
                      options.getOrDefault("baselines", "yes").equals("yes"),
                      poolFlags,
                      providerFlags))
              .run(folder, home);
      case "latency" ->
          new Latency(report, number(options, "jobs", 500), poolFlags).run(folder, home);
      case "restart" ->
          new Restart(
                  report,
                  number(options, "records", 1_000_000),
                  number(options, "repetitions", 3),
                  poolFlags)
              .run(folder, home);
      case "engine" ->
          new Shapes(
                  report,
                  new Shapes.Setting(
                      number(options, "workers", 4),
                      number(options, "rounds", 31),
                      Optional.ofNullable(options.get("taskflow")).map(Path::of)))
              .run(folder, home);
      case "jmh" ->
          EngineShapes.run(
              number(options, "workers", 4),
              options.getOrDefault("only", ".*"),
              number(options, "seconds", 1));
      case "schedule" ->
          new Assignments(
                  report,
                  number(options, "tasks", 1_000_000),
                  number(options, "providers", 10_000),
                  number(options, "rounds", 3))
              .run(home);
      case "micro" -> new Micro(report).run(folder, home);
      case "query" ->
          new Asking(report, number(options, "records", 1_000_000), number(options, "rounds", 5))
              .run(folder, home);
      case "gateway" ->
          new Passage(
                  report,
                  number(options, "rounds", 3),
                  List.of(options.getOrDefault("only", Passage.USUAL).split(",", -1)),
                  options.getOrDefault("streams", "yes").equals("yes"),
                  poolFlags,
                  providerFlags)
              .run(folder, home);
      case "tokens" ->
          new TokenRate(
                  report,
                  new TokenRate.Setting(
                      home.resolve(MODEL_FOLDER),
                      "perseid/tiny-chat",
                      home.resolve(MODEL),
                      numbers(options.getOrDefault("threads", "1," + processors)),
                      numbers(options.getOrDefault("streams", "1,8,16")),
                      number(options, "rounds", 5)),
                  poolFlags,
                  providerFlags)
              .run(folder, home);
      case "gas" ->
          new Gas(
                  report,
                  new Gas.Setting(
                      numbers(options.getOrDefault("tasks", "1,10,100,1000,100000")),
                      number(options, "rounds", 5),
                      number(options, "block-time", 2)))
              .run(folder, home);
      case "dispute" ->
          DisputeCost.series(
              report,
              number(options, "steps", 1_000_000),
              number(options, "seeds", 5),
              folder,
              home);
      case "trust" ->
          new Trusting(
                  report,
                  new Trusting.Setting(
                      number(options, "hosts", 200),
                      numbers(options.getOrDefault("jobs", "10,50,100,1000")),
                      number(options, "seeds", 20),
                      10_000 * number(options, "canaries", 0)))
              .run(home);
      case "audit" ->
          new Detection(
                  report,
                  new Detection.Setting(
                      home.resolve(options.getOrDefault("model", MODEL)),
                      Optional.ofNullable(options.get("finer")).map(home::resolve),
                      number(options, "runs", 40),
                      number(options, "tokens", 1_000)))
              .run(folder, home);
      default -> throw new IllegalStateException("options() let '" + command + "' through");
    }
  }

  private static Map<String, String> options(String[] args) {
    if (args.length == 0
        || !List.of(
                "throughput",
                "latency",
                "restart",
                "micro",
                "schedule",
                "engine",
                "jmh",
                "query",
                "gateway",
                "tokens",
                "audit",
                "gas",
                "dispute",
                "trust")
            .contains(args[0])) {
      throw new IllegalArgumentException("which benchmark?");
    }
    Map<String, String> options = new LinkedHashMap<>();
    for (int i = 1; i < args.length; i += 2) {
      if (!args[i].startsWith("--") || i + 1 == args.length) {
        throw new IllegalArgumentException("write --option value, not '" + args[i] + "'");
      }
      options.put(args[i].substring(2), args[i + 1]);
    }
    return options;
  }

  private static List<Integer> numbers(String list) {
    return Stream.of(list.split(",", -1)).map(Integer::parseInt).distinct().toList();
  }

  private static int number(Map<String, String> options, String name, int usual) {
    return Integer.parseInt(options.getOrDefault(name, Integer.toString(usual)));
  }

  private static List<String> words(String text) {
    return text.isBlank() ? List.of() : List.of(text.strip().split(" +", -1));
  }
}

package dev.perseid.bench;

import dev.perseid.node.PoolFailure;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.ToDoubleFunction;

/// What passing through a gateway costs: the same requests to [MockModel] directly, through nginx,
/// through Portkey's gateway and through a pool, one after the other in each round.
final class Passage {
  /// Which gates there are unless somebody says otherwise.
  static final String USUAL = "direct,nginx,portkey,perseid";

  private static final int CLOSED_CLIENTS = 64;
  private static final int OPEN_PER_S = 200;
  private static final int STREAMS = 32;
  private static final int MANY_STREAMS = 1_000;
  private static final int MANY_TOKENS_PER_S = 20;
  private static final int SHORT_MS = 2_000;
  private static final int LONG_MS = 3_000;
  private static final int WARM_MS = 60_000;
  private static final int ANSWER_TOKENS = 40;
  private static final int START_S = 30;
  private static final int RECORDED_S = 30;

  /// What one round says of one gate.
  ///
  /// @param cpuUs for a whole answer, of each process of the gate
  record Round(
      Crowd.Tally closed,
      List<Double> cpuUs,
      Crowd.Tally open,
      Crowd.Tally paced,
      Crowd.Tally poured,
      Crowd.Tally many,
      double manyCpuUs) {}

  /// A gate and its rounds.
  private static final class Course {
    final Gate gate;
    final List<Round> rounds = new ArrayList<>();
    long answered;
    long failed;
    long residentMib;
    String problem = "";

    Course(Gate gate) {
      this.gate = gate;
    }

    double median(ToDoubleFunction<Round> figure) {
      return Figures.median(rounds.stream().mapToDouble(figure).toArray());
    }

    /// The median over rounds of the difference to another gate in the same round.
    double added(Course to, ToDoubleFunction<Round> figure) {
      double[] values = new double[rounds.size()];
      for (int i = 0; i < values.length; i++) {
        values[i] = figure.applyAsDouble(rounds.get(i)) - figure.applyAsDouble(to.rounds.get(i));
      }
      return Figures.median(values);
    }
  }

  private final Printout report;
  private final int rounds;
  private final List<String> only;
  private final boolean streams;
  private final List<String> poolFlags;
  private final List<String> providerFlags;

  /// @param rounds that count; one more comes before them
  /// @param only names of gates
  /// @param streams whether streams are measured too, or whole answers only
  Passage(
      Printout report,
      int rounds,
      List<String> only,
      boolean streams,
      List<String> poolFlags,
      List<String> providerFlags) {
    this.report = report;
    this.rounds = rounds;
    this.only = only;
    this.streams = streams;
    this.poolFlags = poolFlags;
    this.providerFlags = providerFlags;
  }

  void run(Path folder, Path home) throws IOException, PoolFailure, InterruptedException {
    Host host = Host.now();
    Process mock = child(MockModel.class);
    Process crowd = child(Crowd.class);
    List<Course> courses = new ArrayList<>();
    try (BufferedReader port = mock.inputReader(StandardCharsets.UTF_8);
        BufferedReader tallies = crowd.inputReader(StandardCharsets.UTF_8)) {
      open(folder, Integer.parseInt(line(port)), courses);
      for (Course course : courses) {
        awaitFirst(course, crowd, tallies);
      }
      for (int round = 0; round <= rounds; round++) {
        for (Course course : courses) {
          Round measured = measure(course, round == 0 ? WARM_MS : LONG_MS, crowd, tallies);
          if (round > 0) {
            course.rounds.add(measured);
          }
          report.progress(
              (round == 0 ? "warm-up" : "round " + round)
                  + ", "
                  + course.gate.name()
                  + ": "
                  + Figures.of(measured.closed().perSecond())
                  + " requests/s, CPU us/request by process "
                  + measured.cpuUs().stream().map(Figures::of).toList());
        }
      }
      for (Course course : courses) {
        course.residentMib = course.gate.residentMib();
      }
      print(courses);
      for (Course course : courses) {
        if (course.gate.fleet().isPresent()) {
          settle(course, course.gate.fleet().get());
        }
      }
    } finally {
      for (Course course : courses) {
        course.gate.close();
      }
      mock.destroy();
      crowd.destroy();
    }
    report.say(host.state(home));
  }

  private void open(Path folder, int mock, List<Course> courses)
      throws IOException, PoolFailure, InterruptedException {
    for (String name : only) {
      Optional<Gate> gate =
          switch (name) {
            case "direct" -> Optional.of(Gate.direct(mock));
            case "nginx" -> Gate.nginx(folder.resolve("nginx"), mock, report);
            case "portkey" -> Gate.portkey(folder.resolve("portkey"), mock, report);
            case "perseid", "relayed" ->
                Optional.of(
                    Gate.perseid(
                        folder.resolve(name),
                        mock,
                        name.equals("perseid"),
                        poolFlags,
                        providerFlags));
            default ->
                throw new IOException(
                    "there is no '" + name + "'; write some of " + USUAL + ",relayed");
          };
      gate.ifPresent(g -> courses.add(new Course(g)));
    }
  }

  /// A process of one of this module's own classes.
  private static Process child(Class<?> main) throws IOException {
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            "-Xmx512m",
            "-cp",
            System.getProperty("java.class.path"),
            main.getName())
        .redirectError(ProcessBuilder.Redirect.DISCARD)
        .start();
  }

  private static String line(BufferedReader from) throws IOException {
    String line = from.readLine();
    if (line == null) {
      throw new IOException("a process of the benchmark has ended");
    }
    return line;
  }

  /// Asks until there is an answer.
  private void awaitFirst(Course course, Process crowd, BufferedReader tallies)
      throws IOException, InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_S);
    while (true) {
      Crowd.Tally first = ask(course, wave(course, Crowd.Kind.CLOSED, 1, 1, 40, 0), crowd, tallies);
      if (first.failed() == 0 && first.done() > 0) {
        course.failed = 0;
        course.problem = "";
        return;
      }
      if (System.nanoTime() - deadline > 0) {
        throw new IOException(course.gate.name() + " does not answer: " + first.problem());
      }
      TimeUnit.MILLISECONDS.sleep(200);
    }
  }

  private static Crowd.Wave wave(
      Course course, Crowd.Kind kind, long ms, int clients, int tokens, long intervalUs) {
    Gate gate = course.gate;
    return new Crowd.Wave(
        kind, gate.port(), ms, clients, tokens, intervalUs, gate.model(), gate.headers());
  }

  private static Crowd.Tally ask(
      Course course, Crowd.Wave wave, Process crowd, BufferedReader tallies) throws IOException {
    crowd.getOutputStream().write((wave.line() + "\n").getBytes(StandardCharsets.UTF_8));
    crowd.getOutputStream().flush();
    Crowd.Tally tally = Crowd.Tally.of(line(tallies));
    course.answered += tally.done();
    course.failed += tally.failed();
    if (course.problem.isEmpty()) {
      course.problem = tally.problem();
    }
    return tally;
  }

  private Round measure(Course course, int closedMs, Process crowd, BufferedReader tallies)
      throws IOException {
    List<Double> before = course.gate.cpuS();
    Crowd.Tally closed =
        ask(
            course,
            wave(course, Crowd.Kind.CLOSED, closedMs, CLOSED_CLIENTS, ANSWER_TOKENS, 0),
            crowd,
            tallies);
    List<Double> cpuUs = course.gate.cpuS();
    for (int i = 0; i < cpuUs.size(); i++) {
      cpuUs.set(i, (cpuUs.get(i) - before.get(i)) * 1e6 / Math.max(1, closed.done()));
    }
    Crowd.Tally open =
        ask(
            course,
            wave(course, Crowd.Kind.OPEN, LONG_MS, OPEN_PER_S, ANSWER_TOKENS, 0),
            crowd,
            tallies);
    if (!streams) {
      return new Round(closed, cpuUs, open, open, open, open, 0);
    }
    Crowd.Tally paced =
        ask(
            course,
            wave(course, Crowd.Kind.STREAMS, SHORT_MS, STREAMS, 100, 5_000),
            crowd,
            tallies);
    Crowd.Tally poured =
        ask(course, wave(course, Crowd.Kind.STREAMS, SHORT_MS, STREAMS, 1_000, 0), crowd, tallies);
    double beforeMany = sum(course.gate.cpuS());
    int tokens = MANY_TOKENS_PER_S * (LONG_MS + 500) / 1_000;
    Crowd.Tally many =
        ask(
            course,
            wave(
                course,
                Crowd.Kind.STREAMS,
                LONG_MS,
                MANY_STREAMS,
                tokens,
                1_000_000 / MANY_TOKENS_PER_S),
            crowd,
            tallies);
    double manyCpuUs =
        (sum(course.gate.cpuS()) - beforeMany) * 1e6 / Math.max(1, many.done() * tokens);
    return new Round(closed, cpuUs, open, paced, poured, many, manyCpuUs);
  }

  private static double sum(List<Double> values) {
    return values.stream().mapToDouble(value -> value).sum();
  }

  private void print(List<Course> courses) {
    Optional<Course> direct = named(courses, "direct");
    Optional<Course> portkey = named(courses, "portkey");
    Table answers =
        new Table(
            "whole answers",
            ">requests/s",
            ">of Portkey",
            ">CPU us/request",
            ">p50 us",
            ">added p50",
            ">p99 us",
            ">added p99",
            ">resident MiB",
            ">failed");
    Table streamed =
        new Table(
            "streams",
            ">first ms p50",
            ">p99",
            ">tokens/s, 32",
            ">1,000 at 20/s: tokens/s",
            ">delay ms p50",
            ">p99",
            ">first ms p50",
            ">p99",
            ">CPU us/token");
    for (Course c : courses) {
      double rate = c.median(r -> r.closed().perSecond());
      answers.row(
          c.gate.name(),
          Figures.of(rate),
          portkey.map(p -> Figures.ratio(rate, p.median(r -> r.closed().perSecond()))).orElse(""),
          Figures.of(c.median(r -> sum(r.cpuUs()))),
          Figures.of(c.median(r -> r.open().p50Us())),
          direct.map(d -> Figures.of(c.added(d, r -> r.open().p50Us()))).orElse(""),
          Figures.of(c.median(r -> r.open().p99Us())),
          direct.map(d -> Figures.of(c.added(d, r -> r.open().p99Us()))).orElse(""),
          c.residentMib,
          c.failed);
      streamed.row(
          c.gate.name(),
          ms(c.median(r -> r.paced().firstP50Us())),
          ms(c.median(r -> r.paced().firstP99Us())),
          Figures.of(c.median(r -> r.poured().tokensPerS())),
          Figures.of(c.median(r -> r.many().tokensPerS())),
          ms(c.median(r -> r.many().delayP50Us())),
          ms(c.median(r -> r.many().delayP99Us())),
          ms(c.median(r -> r.many().firstP50Us())),
          ms(c.median(r -> r.many().firstP99Us())),
          Figures.of(c.median(Round::manyCpuUs)));
    }
    report.table(answers);
    if (streams) {
      report.table(streamed);
    }
    for (Course c : courses) {
      if (c.failed > 0) {
        report.say(c.gate.name() + ": " + c.failed + " requests failed, first: " + c.problem);
      }
    }
  }

  private static Optional<Course> named(List<Course> courses, String name) {
    return courses.stream().filter(c -> c.gate.name().startsWith(name)).findFirst();
  }

  private static String ms(double us) {
    return Figures.of(us / 1_000);
  }

  /// Says whether each answered request is recorded and what was charged has been earned.
  private void settle(Course course, Fleet fleet)
      throws IOException, PoolFailure, InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(RECORDED_S);
    Fleet.Books books = fleet.books();
    while (books.records() < course.answered && System.nanoTime() - deadline < 0) {
      TimeUnit.MILLISECONDS.sleep(500);
      books = fleet.books();
    }
    boolean whole = course.failed > 0 || books.records() == course.answered;
    boolean paid = books.charged() == books.earned();
    report.say(
        course.gate.name()
            + ": "
            + course.answered
            + " requests answered, "
            + books.records()
            + " durable records ("
            + books.signed()
            + " signed by the provider), charged "
            + books.charged()
            + " microcredits, earned "
            + books.earned());
    if (!whole || !paid) {
      throw new IOException("records or payments of " + course.gate.name() + " do not add up");
    }
  }
}

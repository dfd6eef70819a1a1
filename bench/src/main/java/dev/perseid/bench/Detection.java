package dev.perseid.bench;

import dev.perseid.core.Hash;
import dev.perseid.inference.Audit;
import dev.perseid.inference.AuditDraw;
import dev.perseid.inference.Baseline;
import dev.perseid.inference.CanaryPool;
import dev.perseid.inference.Claim;
import dev.perseid.inference.Draw;
import dev.perseid.inference.Evidence;
import dev.perseid.inference.Sign;
import dev.perseid.inference.Suspicion;
import dev.perseid.inference.Transcript;
import dev.perseid.inference.Verdict;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;

/// How surely audits tell honest providers from cheats, and after how many tokens: real answers of
/// a real model, each provider judged by [Suspicion] as a pool would.
final class Detection {
  /// @param published the file that the offer promises: the auditor's own copy
  /// @param finer the same model before it was quantised
  /// @param runs providers of each kind
  /// @param tokens audited tokens after which a provider is let go
  record Setting(Path published, Optional<Path> finer, int runs, int tokens) {}

  private static final int[] LOOKS = {50, 200, 1_000};
  private static final int MAX_TOKENS = 48;

  /// A provider: what it says it does, and what it does.
  private record Provider(
      String name, Mind mind, double said, double drawn, Trick trick, Dice dice) {
    static Provider of(String name, Mind mind, double temperature, Trick trick, Dice dice) {
      return new Provider(name, mind, temperature, temperature, trick, dice);
    }
  }

  /// What a provider does beside running its model.
  private enum Trick {
    NONE,
    IGNORES_SEED,
    CUTS_CONTEXT,
    COPIES,
    ASKED_AGAIN,
    CLAIMS_5_PERCENT,
    CLAIMS_20_PERCENT,
    STOPS_EARLY,
    STATES_LOGPROBS
  }

  private enum Dice {
    SHARED,
    OWN
  }

  private record Outcome(
      long tokens,
      long choices,
      long matches,
      double margins,
      List<Verdict> verdicts,
      double seconds) {}

  private final Printout report;
  private final Setting setting;
  private final CanaryPool prompts = CanaryPool.everyday();
  private final AuditDraw draw = new AuditDraw(Hash.sha256(new byte[] {26}));

  Detection(Printout report, Setting setting) {
    this.report = report;
    this.setting = setting;
  }

  void run(Path folder, Path home) throws IOException {
    Host host = Host.now();
    Path file = setting.published();
    try (Mind same = Mind.load(file);
        Mind order = Mind.load(Forgery.of(file).reordered().write(folder.resolve("order.gguf")));
        Mind six = Mind.load(Forgery.of(file).rounded(6).write(folder.resolve("six.gguf")));
        Mind five = Mind.load(Forgery.of(file).rounded(5).write(folder.resolve("five.gguf")));
        Mind four = Mind.load(Forgery.of(file).rounded(4).write(folder.resolve("four.gguf")));
        Mind shorter = Mind.load(Forgery.of(file).shorter(1).write(folder.resolve("short.gguf")))) {
      List<Provider> seeded = new ArrayList<>();
      seeded.add(Provider.of("honest: same engine", same, 1, Trick.NONE, Dice.SHARED));
      seeded.add(Provider.of("honest: sums in another order", order, 1, Trick.NONE, Dice.SHARED));
      seeded.add(
          Provider.of("honest: the same at temperature 0", order, 0, Trick.NONE, Dice.SHARED));
      seeded.add(Provider.of("cheat: 6-bit weights", six, 1, Trick.NONE, Dice.SHARED));
      seeded.add(Provider.of("cheat: 5-bit weights", five, 1, Trick.NONE, Dice.SHARED));
      seeded.add(Provider.of("cheat: 4-bit weights", four, 1, Trick.NONE, Dice.SHARED));
      seeded.add(Provider.of("cheat: 4-bit, temperature 0", four, 0, Trick.NONE, Dice.SHARED));
      seeded.add(
          Provider.of(
              "cheat: 4-bit, states logprobs", four, 1, Trick.STATES_LOGPROBS, Dice.SHARED));
      seeded.add(Provider.of("cheat: last layer left out", shorter, 1, Trick.NONE, Dice.SHARED));
      seeded.add(
          new Provider("cheat: temperature 0.7 for 1", same, 1, 0.7, Trick.NONE, Dice.SHARED));
      seeded.add(
          new Provider("cheat: temperature 0.9 for 1", same, 1, 0.9, Trick.NONE, Dice.SHARED));
      seeded.add(Provider.of("cheat: ignores the seed", same, 1, Trick.IGNORES_SEED, Dice.SHARED));
      seeded.add(
          Provider.of("cheat: leaves out earlier turns", same, 1, Trick.CUTS_CONTEXT, Dice.SHARED));
      seeded.add(Provider.of("cheat: copies earlier answers", same, 1, Trick.COPIES, Dice.SHARED));
      seeded.add(
          Provider.of(
              "cheat: claims 5 % more tokens", same, 1, Trick.CLAIMS_5_PERCENT, Dice.SHARED));
      seeded.add(
          Provider.of(
              "cheat: claims 20 % more tokens", same, 1, Trick.CLAIMS_20_PERCENT, Dice.SHARED));
      seeded.add(Provider.of("cheat: stops half-way", same, 1, Trick.STOPS_EARLY, Dice.SHARED));
      if (setting.finer().isPresent()) {
        try (Mind finer = Mind.load(setting.finer().get())) {
          seeded.add(
              Provider.of(
                  "other: finer weights than published", finer, 1, Trick.NONE, Dice.SHARED));
          table("with a shared seed", seeded, same);
        }
      } else {
        table("with a shared seed", seeded, same);
      }
      List<Provider> own = new ArrayList<>();
      own.add(Provider.of("honest: same engine", same, 1, Trick.NONE, Dice.OWN));
      own.add(Provider.of("honest: sums in another order", order, 1, Trick.NONE, Dice.OWN));
      own.add(Provider.of("honest: asked the same again", order, 1, Trick.ASKED_AGAIN, Dice.OWN));
      own.add(Provider.of("cheat: 4-bit weights", four, 1, Trick.NONE, Dice.OWN));
      own.add(Provider.of("cheat: last layer left out", shorter, 1, Trick.NONE, Dice.OWN));
      own.add(new Provider("cheat: temperature 0.7 for 1", same, 1, 0.7, Trick.NONE, Dice.OWN));
      own.add(new Provider("cheat: temperature 0 for 1", same, 1, 0, Trick.NONE, Dice.OWN));
      own.add(Provider.of("cheat: copies earlier answers", same, 1, Trick.COPIES, Dice.OWN));
      table("with dice of its own", own, same);
    }
    report.say(host.state(home));
  }

  private void table(String title, List<Provider> providers, Mind reference) {
    Table table =
        new Table(
            title,
            ">tokens",
            ">match %",
            ">margin",
            ">caught at " + LOOKS[0],
            ">at " + LOOKS[1],
            ">at " + LOOKS[2],
            ">median",
            "by",
            ">cleared");
    for (Provider provider : providers) {
      Outcome o = judge(provider, reference);
      Object[] cells = new Object[10];
      cells[0] = provider.name;
      cells[1] = o.tokens;
      cells[2] =
          o.choices == 0 ? "-" : String.format(Locale.ROOT, "%.3f", 100.0 * o.matches / o.choices);
      cells[3] = o.choices == 0 ? "-" : String.format(Locale.ROOT, "%.6f", o.margins / o.choices);
      for (int i = 0; i < LOOKS.length; i++) {
        int look = LOOKS[i];
        cells[4 + i] =
            rate(
                (int) o.verdicts.stream().filter(v -> caught(v) && v.tokens() <= look).count(),
                o.verdicts.size());
      }
      double[] at =
          o.verdicts.stream().filter(Detection::caught).mapToDouble(Verdict::tokens).toArray();
      cells[7] = at.length == 0 ? "-" : Math.round(Figures.median(at));
      cells[8] = signs(o.verdicts);
      cells[9] =
          o.verdicts.stream().filter(v -> v.decision() == Verdict.Decision.HONEST).count()
              + "/"
              + o.verdicts.size();
      table.row(cells);
      report.progress(String.format(Locale.ROOT, "%s: %.0f s", provider.name, o.seconds));
    }
    report.table(table);
    report.say("");
  }

  /// Whether its prompts come again, with new randomness.
  private static boolean again(Provider provider) {
    return provider.trick == Trick.COPIES || provider.trick == Trick.ASKED_AGAIN;
  }

  private static boolean caught(Verdict v) {
    return v.decision() == Verdict.Decision.CHEATING;
  }

  private static String signs(List<Verdict> verdicts) {
    Map<Sign, Integer> counts = new EnumMap<>(Sign.class);
    for (Verdict v : verdicts) {
      v.sign().ifPresent(s -> counts.merge(s, 1, Integer::sum));
    }
    return String.join(
        ", ", counts.keySet().stream().map(s -> s.name().toLowerCase(Locale.ROOT)).toList());
  }

  /// A share with its 95 % interval (Wilson).
  static String rate(int hits, int n) {
    double z = 1.96;
    double p = (double) hits / n;
    double centre = (p + z * z / (2 * n)) / (1 + z * z / n);
    double half = z / (1 + z * z / n) * Math.sqrt(p * (1 - p) / n + z * z / (4.0 * n * n));
    return String.format(
        Locale.ROOT,
        "%.0f %% [%.0f-%.0f]",
        100 * p,
        100 * Math.max(0, centre - half),
        100 * Math.min(1, centre + half));
  }

  private Outcome judge(Provider provider, Mind reference) {
    long begun = System.nanoTime();
    long tokens = 0;
    long choices = 0;
    long matches = 0;
    double margins = 0;
    List<Verdict> verdicts = new ArrayList<>();
    for (int run = 0; run < setting.runs(); run++) {
      Suspicion suspicion = Suspicion.fresh(Baseline.USUAL);
      Map<Integer, int[]> cache = new HashMap<>();
      Map<Integer, Evidence> read = new HashMap<>();
      for (int n = 0; suspicion.tokens() < setting.tokens() && !caught(suspicion.verdict()); n++) {
        Transcript transcript = answer(provider, run, n, cache);
        Evidence evidence = Audit.check(transcript, reference);
        tokens += evidence.tokens();
        choices += evidence.choices();
        matches += evidence.matches();
        margins += evidence.meanMargin() * evidence.choices();
        suspicion = suspicion.with(evidence);
        if (again(provider)) {
          // What an auditor does who asks again: here, the same prompt came before.
          Evidence earlier = read.putIfAbsent(n % COPIED, evidence);
          int[] first = cache.get(n % COPIED);
          if (earlier != null && first != null) {
            suspicion = suspicion.with(Audit.copy(first, earlier, transcript.output()));
          }
        }
      }
      verdicts.add(suspicion.verdict());
    }
    return new Outcome(
        tokens, choices, matches, margins, verdicts, (System.nanoTime() - begun) / 1e9);
  }

  /// Prompts that a copying provider has seen before.
  private static final int COPIED = 3;

  private Transcript answer(Provider provider, int run, int n, Map<Integer, int[]> cache) {
    String id = "run-" + run + "-" + n;
    String named = again(provider) ? "run-" + run + "-" + n % COPIED : id;
    List<String> questions =
        List.of(prompts.prompt(draw, named + "-a"), prompts.prompt(draw, named));
    List<String> seen = provider.trick == Trick.CUTS_CONTEXT ? questions.subList(1, 2) : questions;
    long seed = (new SplittableRandom(31L * run + 7).nextLong() >>> 11) + n;
    long drawn =
        provider.dice == Dice.OWN || provider.trick == Trick.IGNORES_SEED
            ? (seed * 0x9E3779B97F4A7C15L) >>> 11
            : seed;
    Transcript spoken =
        provider.mind.answer(
            id,
            Mind.asking(questions, provider.said, seed, MAX_TOKENS),
            Mind.asking(seen, provider.drawn, drawn, MAX_TOKENS));
    int[] output = spoken.output();
    if (again(provider)) {
      int[] earlier = cache.putIfAbsent(n % COPIED, output);
      output = earlier == null || provider.trick == Trick.ASKED_AGAIN ? output : earlier;
    }
    Transcript.Finish finish = spoken.said().finish();
    if (provider.trick == Trick.STOPS_EARLY && output.length > 1) {
      output = Arrays.copyOf(output, output.length / 2);
      finish = Transcript.Finish.STOP;
    }
    double factor =
        provider.trick == Trick.CLAIMS_5_PERCENT
            ? 1.05
            : provider.trick == Trick.CLAIMS_20_PERCENT ? 1.2 : 1;
    return new Transcript(
        id,
        spoken.prompt(),
        output,
        provider.dice == Dice.SHARED
            ? spoken.sampling()
            : new Transcript.Sampling(spoken.sampling().params(), new Draw.Own()),
        spoken.bounds(),
        new Transcript.Said(
            finish,
            Claim.tokens(spoken.prompt().length, 0, (long) Math.ceil(output.length * factor))),
        provider.trick == Trick.STATES_LOGPROBS ? spoken.logprobs() : new float[0]);
  }
}

package dev.perseid.core.schedule;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/// How fast providers are, learned from their records and never from what they declare: seconds
/// beside what a task usually takes, and seconds for each unit of gas. Gas counts instructions and
/// is the same everywhere, so a task that never ran but whose gas is known has an estimate at once.
/// Bounded by the number of providers; every call is O(1).
public final class Paces {
  /// Before anything is seen of a provider its speed is 1, give or take this factor's logarithm.
  private static final double UNSURE = 0.7;

  /// What one record says is off by this, in logarithms.
  private static final double NOISE = 0.5;

  /// More records than so many do not make it surer: providers change.
  private static final double REMEMBERED = 50;

  private final Map<String, Seen> providers = new HashMap<>();
  private final Estimator perGas = new Estimator(1e-9);
  private boolean gasSeen;

  private static final class Seen {
    private double count;
    private double sum;
  }

  /// Nothing known.
  public Paces() {}

  /// A provider has run a task.
  ///
  /// @param usual seconds that the task was believed to take at speed 1, more than 0
  /// @param seconds that it took, more than 0
  public void learn(String provider, double usual, double seconds) {
    Seen seen = providers.computeIfAbsent(provider, p -> new Seen());
    double keeps = Math.min(1, REMEMBERED / (seen.count + 1));
    seen.count = (seen.count + 1) * keeps;
    seen.sum = (seen.sum + Math.log(usual / seconds)) * keeps;
  }

  /// The speed of a provider; 1 is usual.
  public Estimate speed(String provider) {
    Seen seen = providers.get(provider);
    double count = seen == null ? 0 : seen.count;
    double sum = seen == null ? 0 : seen.sum;
    double weight = count + NOISE * NOISE / (UNSURE * UNSURE);
    return new Estimate(Math.exp(sum / weight), NOISE / Math.sqrt(weight));
  }

  /// A provider has run a task that used gas.
  ///
  /// @param gas more than 0
  /// @param seconds that it took, more than 0
  public void learnGas(String provider, long gas, double seconds) {
    gasSeen = true;
    perGas.learn(ofGas(provider), seconds / gas);
  }

  /// Seconds that a provider takes for so much gas: by its own records, or if there are none by all
  /// providers'.
  ///
  /// @param gas more than 0
  public Estimate ofGas(String provider, long gas) {
    Estimate each = perGas.estimate(ofGas(provider));
    return new Estimate(each.median() * gas, each.spread());
  }

  /// Whether anything is known of gas; before, [#ofGas] is a guess.
  public OptionalDouble nsPerGas(String provider) {
    return gasSeen
        ? OptionalDouble.of(perGas.estimate(ofGas(provider)).median() * 1e9)
        : OptionalDouble.empty();
  }

  private static Estimator.Task ofGas(String provider) {
    return new Estimator.Task(List.of("gas", "gas@" + provider), 0);
  }
}

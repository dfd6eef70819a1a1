package dev.perseid.node;

import java.util.Arrays;
import java.util.OptionalDouble;
import java.util.OptionalLong;

/// How requests under one offer went lately: what routing is decided by. Safe for any thread.
final class OfferStats {
  private static final double UNKNOWN = -1;

  private final double[] firstMs = new double[MarketLimits.STATS_REQUESTS];
  private final double[] tokensPerS = new double[MarketLimits.STATS_REQUESTS];
  private final boolean[] failed = new boolean[MarketLimits.STATS_REQUESTS];
  private final double[] microjoules = new double[MarketLimits.STATS_REQUESTS];
  private int next;
  private int count;

  /// A request has ended.
  ///
  /// @param providerFailed whether the provider is to blame
  /// @param firstNs from placing to the first part, or 0 if there was none
  /// @param restNs from the first part to the end
  /// @param tokens of the answer
  /// @param energyUj measured energy, or absent
  synchronized void add(
      boolean providerFailed, long firstNs, long restNs, long tokens, OptionalLong energyUj) {
    firstMs[next] = firstNs > 0 ? firstNs / 1e6 : UNKNOWN;
    tokensPerS[next] = tokens > 1 && restNs > 0 ? (tokens - 1) * 1e9 / restNs : UNKNOWN;
    failed[next] = providerFailed;
    microjoules[next] =
        energyUj.isPresent() && tokens > 0 ? (double) energyUj.getAsLong() / tokens : UNKNOWN;
    next = (next + 1) % MarketLimits.STATS_REQUESTS;
    count = Math.min(count + 1, MarketLimits.STATS_REQUESTS);
  }

  synchronized OptionalDouble firstMs(double quantile) {
    return quantile(firstMs, quantile);
  }

  synchronized OptionalDouble tokensPerS() {
    return quantile(tokensPerS, 0.5);
  }

  synchronized OptionalLong microjoulesPerToken() {
    OptionalDouble median = quantile(microjoules, 0.5);
    return median.isPresent()
        ? OptionalLong.of(Math.round(median.getAsDouble()))
        : OptionalLong.empty();
  }

  synchronized double failedShare() {
    int bad = 0;
    for (int i = 0; i < count; i++) {
      bad += failed[i] ? 1 : 0;
    }
    return count == 0 ? 0 : (double) bad / count;
  }

  private OptionalDouble quantile(double[] values, double quantile) {
    double[] known = Arrays.stream(values, 0, count).filter(v -> v != UNKNOWN).sorted().toArray();
    return known.length == 0
        ? OptionalDouble.empty()
        : OptionalDouble.of(
            known[(int) Math.min(known.length - 1L, (long) (quantile * known.length))]);
  }
}

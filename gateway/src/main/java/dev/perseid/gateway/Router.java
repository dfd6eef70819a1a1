package dev.perseid.gateway;

import dev.perseid.core.Hash;
import dev.perseid.core.TokenPrice;
import dev.perseid.inference.Api;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Function;

/// Decides who is asked, in which order. Pure: the same catalog, request, states and seed give the
/// same order.
///
/// Without wishes: offers that are well, trusted, fast enough and not full come first; among them
/// the choice falls by the inverse square of the price, but always on the same one for the same
/// conversation, whose beginning that provider still has in its cache (weighted rendezvous
/// hashing).
final class Router {
  /// An offer to try.
  ///
  /// @param model the name under which the client asked for it
  /// @param listing the offer
  record Candidate(String model, Market.Listing listing) {}

  /// A provider that gave wrong answers is not asked, whatever it promises.
  private static final int TRUST_LEAST = 1;

  /// Below this others are asked first.
  private static final int TRUST_WELL = 500;

  /// An offer that fails more often than this is asked last.
  private static final double FAILED_SHARE_MOST = 0.3;

  /// An offer is slow if another one is this many times faster.
  private static final double SLOW_TIMES = 8;

  private final Shelf shelf;
  private final Function<Hash, Breakers.State> breakers;
  private final long seed;

  Router(Shelf shelf, Function<Hash, Breakers.State> breakers, long seed) {
    this.shelf = shelf;
    this.breakers = breakers;
    this.seed = seed;
  }

  /// Candidates for a call, best first.
  ///
  /// @throws Problem if a name means no model, or nobody who serves one fits the wishes
  List<Candidate> candidates(Call call) throws Problem {
    List<Candidate> all = new ArrayList<>();
    Map<String, Integer> against = new LinkedHashMap<>();
    int served = 0;
    NavigableSet<String> named =
        call.wishes().requireParameters() ? call.parameters() : Collections.emptyNavigableSet();
    for (String name : call.models()) {
      Optional<Shelf.Named> found = shelf.find(name);
      if (found.isEmpty()) {
        throw Problem.noModel(name);
      }
      Shelf.Named meant = found.get();
      fitsTask(call.api(), name, meant);
      List<Market.Listing> fitting = new ArrayList<>();
      for (Market.Listing listing : shelf.listings(meant.model())) {
        served++;
        Optional<String> reason =
            call.wishes()
                .against(listing)
                .or(() ->
                    honours(listing, named) ? Optional.empty() : Optional.of("require_parameters"));
        if (reason.isPresent()) {
          against.merge(reason.get(), 1, Integer::sum);
        } else if (listing.live().trust() >= TRUST_LEAST) {
          fitting.add(listing);
        } else {
          served--;
        }
      }
      Wishes wishes =
          meant.sort().isPresent() ? call.wishes().sortedBy(meant.sort().get()) : call.wishes();
      for (Market.Listing listing : ordered(fitting, wishes, call.affinity())) {
        all.add(new Candidate(name, listing));
      }
    }
    if (all.isEmpty()) {
      throw nobody(call, served, against, named);
    }
    if (all.size() > 1 && call.wishes().fallbacks()) {
      // A model that the client would take instead goes before an offer that is known to be broken.
      all.sort(Comparator.comparing(c -> isBroken(c.listing())));
    }
    return all;
  }

  /// Whether an offer says that it honours these parameters.
  private static boolean honours(Market.Listing listing, NavigableSet<String> named) {
    return named.isEmpty()
        || listing.live().honours().map(names -> names.containsAll(named)).orElse(false);
  }

  private boolean isBroken(Market.Listing l) {
    return !l.live().reachable() || breakers.apply(l.offerHash()) == Breakers.State.OPEN;
  }

  private static void fitsTask(Api api, String name, Shelf.Named named) throws Problem {
    boolean fits =
        switch (named.model().task()) {
          case CHAT -> api == Api.CHAT || api == Api.COMPLETION;
          case EMBED -> api == Api.EMBEDDING || api == Api.INFER;
          case PREDICT -> api == Api.INFER;
        };
    if (!fits) {
      String use =
          switch (named.model().task()) {
            case CHAT -> "chat completions and completions";
            case EMBED -> "embeddings";
            case PREDICT -> "Open Inference (POST /v2/models/<name>/infer)";
          };
      throw new Problem(
          Problem.Kind.INVALID,
          "The model '" + Problem.shown(name) + "' answers " + use + ", not this call.",
          "model",
          "model_not_supported",
          OptionalLong.empty());
    }
  }

  private static Problem nobody(
      Call call, int served, Map<String, Integer> against, NavigableSet<String> named) {
    String name = Problem.shown(call.models().getFirst());
    if (served == 0) {
      return new Problem(
          Problem.Kind.UNAVAILABLE,
          "Nobody serves the model '" + name + "' now. Try again later.",
          "model",
          "no_provider",
          OptionalLong.of(GatewayLimits.RETRY_MOST_MS / 6));
    }
    StringBuilder reasons = new StringBuilder();
    against.forEach((field, count) ->
        reasons
            .append(reasons.isEmpty() ? "" : ", ")
            .append("provider.")
            .append(field)
            .append(" excludes ")
            .append(count)
            .append(
                field.equals("require_parameters")
                    ? " (the request names " + Problem.shown(String.join(", ", named)) + ")"
                    : ""));
    String field = against.keySet().stream().findFirst().orElse("");
    return new Problem(
        Problem.Kind.NOT_FOUND,
        "Of the " + served + " offers for '" + name + "' none fits the request: " + reasons + ".",
        "provider." + field,
        "no_offer_fits",
        OptionalLong.empty());
  }

  private List<Market.Listing> ordered(List<Market.Listing> fitting, Wishes wishes, long affinity) {
    if (fitting.size() == 1) {
      return fitting;
    }
    double bestFirst = Double.MAX_VALUE;
    double bestRate = 0;
    for (Market.Listing l : fitting) {
      if (l.live().reachable()) {
        bestFirst = Math.min(bestFirst, l.live().firstTokenMs().orElse(Double.MAX_VALUE));
        bestRate = Math.max(bestRate, l.live().tokensPerS().orElse(0));
      }
    }
    List<Ranked> ranked = new ArrayList<>();
    for (Market.Listing l : fitting) {
      int named = 0;
      while (named < wishes.order().size() && !wishes.order().get(named).means(l)) {
        named++;
      }
      ranked.add(new Ranked(l, named, tier(l, bestFirst, bestRate), score(l, wishes, affinity)));
    }
    ranked.sort(
        Comparator.comparingInt((Ranked r) -> unwell(r.tier))
            .thenComparingInt(Ranked::named)
            .thenComparingInt(r -> wishes.sort().isPresent() ? 0 : r.tier)
            .thenComparingDouble(Ranked::score)
            .thenComparing(r -> r.listing.offerHash()));
    int many = ranked.size();
    if (!wishes.fallbacks()) {
      many =
          wishes.order().isEmpty()
              ? 1
              : (int) ranked.stream().filter(r -> r.named < wishes.order().size()).count();
    }
    return ranked.stream().limit(many).map(Ranked::listing).toList();
  }

  /// @param named its place among those that the request wants first
  /// @param tier how well it is, 0 best
  /// @param score less is better
  private record Ranked(Market.Listing listing, int named, int tier, double score) {}

  private static final int TIER_WELL = 0;
  private static final int TIER_SLOW = 1;
  private static final int TIER_DOUBTFUL = 2;
  private static final int TIER_FULL = 3;
  private static final int TIER_BROKEN = 4;
  private static final int TIER_GONE = 5;

  /// Even who wants the cheapest does not want one that is broken.
  private static int unwell(int tier) {
    return tier >= TIER_FULL ? tier : 0;
  }

  private int tier(Market.Listing l, double bestFirst, double bestRate) {
    Market.Live live = l.live();
    if (!live.reachable()) {
      return TIER_GONE;
    }
    if (breakers.apply(l.offerHash()) == Breakers.State.OPEN) {
      return TIER_BROKEN;
    }
    if (live.running() + live.waiting() >= l.offer().parallel()) {
      return TIER_FULL;
    }
    if (live.failedShare() > FAILED_SHARE_MOST || live.trust() < TRUST_WELL) {
      return TIER_DOUBTFUL;
    }
    boolean slow =
        live.firstTokenMs().orElse(0) > bestFirst * SLOW_TIMES
            || live.tokensPerS().orElse(bestRate) * SLOW_TIMES < bestRate;
    return slow ? TIER_SLOW : TIER_WELL;
  }

  private double score(Market.Listing l, Wishes wishes, long affinity) {
    Market.Live live = l.live();
    if (wishes.sort().isPresent()) {
      return switch (wishes.sort().get()) {
        case PRICE -> (double) asks(l.offer().price());
        case THROUGHPUT -> -live.tokensPerS().orElse(0);
        case LATENCY -> live.firstTokenMs().orElse(Double.MAX_VALUE);
        case ENERGY ->
            live.microjoulesPerToken().isPresent()
                ? (double) live.microjoulesPerToken().getAsLong()
                : Double.MAX_VALUE;
      };
    }
    double cheap = 1.0 / (1.0 + asks(l.offer().price()));
    double weight = cheap * cheap;
    long mixed =
        mix(
            mix(l.offerHash().a() ^ seed)
                ^ mix(affinity + 0x9e3779b97f4a7c15L)
                ^ l.offerHash().d());
    double even = ((mixed >>> 11) + 1) * 0x1.0p-53;
    return -Math.log(even) / weight;
  }

  /// What a thousand thousand tokens in and as many out cost, with a request's price.
  private static long asks(TokenPrice terms) {
    return Math.min(
        Long.MAX_VALUE / 4,
        Math.min(Long.MAX_VALUE / 16, terms.perMillionPrompt())
            + Math.min(Long.MAX_VALUE / 16, terms.perMillionCompletion())
            + Math.min(Long.MAX_VALUE / 16, terms.perMillionRows())
            + Math.min(Long.MAX_VALUE / 16, terms.perMillionRequests() / 1_000));
  }

  private static long mix(long z) {
    long y = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    y = (y ^ (y >>> 27)) * 0x94d049bb133111ebL;
    return y ^ (y >>> 31);
  }
}

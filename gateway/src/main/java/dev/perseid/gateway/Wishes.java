package dev.perseid.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import dev.perseid.core.Address;
import dev.perseid.core.DataPolicy;
import dev.perseid.core.Hash;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;

/// By whom a request may be answered and in which order they are asked: the `provider` object of a
/// request, with the names and meanings that OpenRouter gave them.
///
/// @param sort if present, offers are tried strictly in this order
/// @param order providers to try first, in this order
/// @param only if not empty, nobody else is asked
/// @param ignore never asked
/// @param mostPrompt microcredits for a million prompt tokens that are not to be exceeded
/// @param mostCompletion the same for the answer's tokens
/// @param mostRequest the same for a million requests
/// @param quantisations if not empty, in no other
/// @param regions if not empty, in no other; `eu` includes `eu-west`
/// @param worst the least careful treatment of data that is allowed
/// @param fallbacks whether others may be tried when the first fails
/// @param requireParameters whether only offers are asked that honour every parameter of the
///   request
record Wishes(
    Optional<Sort> sort,
    List<Who> order,
    List<Who> only,
    List<Who> ignore,
    OptionalLong mostPrompt,
    OptionalLong mostCompletion,
    OptionalLong mostRequest,
    List<String> quantisations,
    List<String> regions,
    DataPolicy worst,
    boolean fallbacks,
    boolean requireParameters) {
  /// What offers may be ordered by.
  enum Sort {
    PRICE,
    THROUGHPUT,
    LATENCY,
    ENERGY
  }

  /// A provider or one of its offers.
  sealed interface Who {
    record Provider(Address address) implements Who {}

    record Offer(Hash offer) implements Who {}

    /// Whether a listing is meant.
    default boolean means(Market.Listing listing) {
      return switch (this) {
        case Provider p -> listing.offer().provider().equals(p.address);
        case Offer o -> listing.offerHash().equals(o.offer);
      };
    }
  }

  /// Whatever the gateway finds best.
  static final Wishes NONE =
      new Wishes(
          Optional.empty(),
          List.of(),
          List.of(),
          List.of(),
          OptionalLong.empty(),
          OptionalLong.empty(),
          OptionalLong.empty(),
          List.of(),
          List.of(),
          DataPolicy.COLLECTS,
          true,
          false);

  private static final BigDecimal MICRO = BigDecimal.valueOf(1_000_000);
  private static final BigDecimal MOST = BigDecimal.valueOf(Long.MAX_VALUE);
  private static final Set<String> FIELDS =
      Set.of(
          "sort",
          "order",
          "only",
          "ignore",
          "max_price",
          "quantizations",
          "region",
          "data_collection",
          "zdr",
          "allow_fallbacks",
          "require_parameters");

  /// Reads a request's `provider` object.
  ///
  /// @throws Problem naming the field that is wrong
  static Wishes of(JsonNode provider) throws Problem {
    if (provider.isMissingNode() || provider.isNull()) {
      return NONE;
    }
    if (!provider.isObject()) {
      throw Problem.invalid(
          "provider", "'provider' must be an object such as {\"sort\":\"price\"}.");
    }
    for (String field : (Iterable<String>) provider::fieldNames) {
      if (!FIELDS.contains(field)) {
        throw Problem.invalid(
            "provider." + Problem.shown(field),
            "'provider' has no field '"
                + Problem.shown(field)
                + "'. It may have: allow_fallbacks, data_collection, ignore, max_price, only, order,"
                + " quantizations, region, require_parameters, sort, zdr.");
      }
    }
    JsonNode most = provider.path("max_price");
    if (!given(most)) {
      most = Json.object();
    } else if (!most.isObject()) {
      throw Problem.invalid(
          "provider.max_price", "'provider.max_price' must be an object such as {\"prompt\":0.5}.");
    }
    for (String field : (Iterable<String>) most::fieldNames) {
      if (!Set.of("prompt", "completion", "request", "image").contains(field)) {
        throw Problem.invalid(
            "provider.max_price." + Problem.shown(field),
            "'provider.max_price' may have: prompt, completion, request, image.");
      }
    }
    price(most, "image"); // nothing has a price for images, so that no image is too dear
    DataPolicy worst = DataPolicy.COLLECTS;
    JsonNode collection = provider.path("data_collection");
    if (given(collection)) {
      worst =
          switch (collection.isTextual() ? collection.textValue() : "") {
            case "allow" -> DataPolicy.COLLECTS;
            case "deny" -> DataPolicy.KEEPS;
            default ->
                throw Problem.invalid(
                    "provider.data_collection",
                    "'provider.data_collection' must be \"allow\" or \"deny\".");
          };
    }
    if (flag(provider, "zdr", false)) {
      worst = DataPolicy.KEEPS_NOTHING;
    }
    return new Wishes(
        sort(provider.path("sort")),
        who(provider, "order"),
        who(provider, "only"),
        who(provider, "ignore"),
        price(most, "prompt"),
        price(most, "completion"),
        price(most, "request"),
        words(provider, "quantizations", false),
        words(provider, "region", true),
        worst,
        flag(provider, "allow_fallbacks", true),
        flag(provider, "require_parameters", false));
  }

  private static boolean given(JsonNode node) {
    return !node.isMissingNode() && !node.isNull();
  }

  private static Optional<Sort> sort(JsonNode node) throws Problem {
    if (!given(node)) {
      return Optional.empty();
    }
    return Optional.of(
        switch (node.isTextual() ? node.textValue() : "") {
          case "price" -> Sort.PRICE;
          case "throughput" -> Sort.THROUGHPUT;
          case "latency" -> Sort.LATENCY;
          case "energy" -> Sort.ENERGY;
          default ->
              throw Problem.invalid(
                  "provider.sort",
                  "'provider.sort' must be \"price\", \"throughput\", \"latency\" or \"energy\".");
        });
  }

  private static boolean flag(JsonNode provider, String field, boolean otherwise) throws Problem {
    JsonNode node = provider.path(field);
    if (!given(node)) {
      return otherwise;
    }
    if (!node.isBoolean()) {
      throw Problem.invalid("provider." + field, "'provider." + field + "' must be true or false.");
    }
    return node.booleanValue();
  }

  private static OptionalLong price(JsonNode most, String field) throws Problem {
    JsonNode node = most.path(field);
    if (!given(node)) {
      return OptionalLong.empty();
    }
    String name = "provider.max_price." + field;
    try {
      // As long as a number may be in JSON: to read more digits takes the square of their number.
      if (node.isNumber()
          || (node.isTextual() && node.textValue().length() <= GatewayLimits.JSON_NUMBER_CHARS)) {
        BigDecimal credits = new BigDecimal(node.asText());
        if (credits.signum() >= 0 && credits.scale() > -40 && credits.scale() < 400) {
          BigDecimal micro = credits.multiply(MICRO).setScale(0, RoundingMode.FLOOR);
          return OptionalLong.of(micro.min(MOST).longValueExact());
        }
      }
    } catch (NumberFormatException e) {
      // Told below.
    }
    throw Problem.invalid(
        name, "'" + name + "' must be a number of credits (per million) that is not negative.");
  }

  private static List<String> words(JsonNode provider, String field, boolean orOne) throws Problem {
    JsonNode node = provider.path(field);
    if (!given(node)) {
      return List.of();
    }
    String name = "provider." + field;
    List<String> out = new ArrayList<>();
    if (orOne && node.isTextual()) {
      out.add(node.textValue().toLowerCase(Locale.ROOT));
    } else if (node.isArray() && node.size() <= GatewayLimits.WISHES) {
      for (JsonNode word : node) {
        if (!word.isTextual()) {
          throw Problem.invalid(
              name + "[" + out.size() + "]", "'" + name + "' must be a list of strings.");
        }
        out.add(word.textValue().toLowerCase(Locale.ROOT));
      }
    } else {
      throw Problem.invalid(
          name,
          "'"
              + name
              + "' must be "
              + (orOne ? "a string or " : "")
              + "a list of at most "
              + GatewayLimits.WISHES
              + " strings.");
    }
    return List.copyOf(out);
  }

  private static List<Who> who(JsonNode provider, String field) throws Problem {
    List<Who> out = new ArrayList<>();
    Set<Who> seen = new HashSet<>();
    for (String word : words(provider, field, false)) {
      String name = "provider." + field + "[" + out.size() + "]";
      Who who;
      try {
        who =
            word.length() == 42
                ? new Who.Provider(Address.parse(word))
                : new Who.Offer(Hash.parse(word));
      } catch (IllegalArgumentException e) {
        throw Problem.invalid(
            name,
            "'"
                + name
                + "' must be a provider's address (0x and 40 hexadecimal digits) or an offer's hash"
                + " (64), as GET /v1/models lists them.");
      }
      if (seen.add(who)) {
        out.add(who);
      }
    }
    return List.copyOf(out);
  }

  /// The same with another order.
  Wishes sortedBy(Sort by) {
    return new Wishes(
        Optional.of(by),
        order,
        only,
        ignore,
        mostPrompt,
        mostCompletion,
        mostRequest,
        quantisations,
        regions,
        worst,
        fallbacks,
        requireParameters);
  }

  /// What keeps a listing from being asked, in the request's own words, if anything does.
  Optional<String> against(Market.Listing listing) {
    if (!only.isEmpty() && only.stream().noneMatch(w -> w.means(listing))) {
      return Optional.of("only");
    }
    if (ignore.stream().anyMatch(w -> w.means(listing))) {
      return Optional.of("ignore");
    }
    if (!quantisations.isEmpty()
        && !quantisations.contains(listing.offer().quantisation().toLowerCase(Locale.ROOT))) {
      return Optional.of("quantizations");
    }
    if (!regions.isEmpty()
        && regions.stream().noneMatch(r -> within(listing.offer().region(), r))) {
      return Optional.of("region");
    }
    if (listing.offer().policy().compareTo(worst) > 0) {
      return Optional.of(worst == DataPolicy.KEEPS_NOTHING ? "zdr" : "data_collection");
    }
    var terms = listing.offer().price();
    if (exceeds(terms.perMillionPrompt(), mostPrompt)
        || exceeds(terms.perMillionCompletion(), mostCompletion)
        || exceeds(terms.perMillionRequests(), mostRequest)) {
      return Optional.of("max_price");
    }
    return Optional.empty();
  }

  private static boolean exceeds(long asked, OptionalLong most) {
    return most.isPresent() && asked > most.getAsLong();
  }

  private static boolean within(String region, String wanted) {
    String have = region.toLowerCase(Locale.ROOT);
    return have.equals(wanted) || have.startsWith(wanted + "-");
  }
}

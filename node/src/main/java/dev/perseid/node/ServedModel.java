package dev.perseid.node;

import dev.perseid.core.DataPolicy;
import dev.perseid.core.Limits;
import dev.perseid.core.TokenPrice;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Locale;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;

/// A model that a provider serves, and on which terms. The model itself is what its author
/// published in the pool; the provider chooses where it comes from, what runs it and what it costs.
///
/// @param model which one: `name` (its newest version), `name:version`, or the manifest's hash
/// @param source where the model comes from
/// @param price what is asked
/// @param parallel requests answered at once; absent: what the backend can do
/// @param contextTokens the longest prompt and answer together; absent: the model's own
/// @param threads processors that one model computed here may use; absent: all that are lent
/// @param policy what happens to prompts and answers
/// @param region where it stands; absent: where the provider says that it is
/// @param sealed whether encrypted requests are taken
public record ServedModel(
    String model,
    Source source,
    TokenPrice price,
    OptionalInt parallel,
    OptionalInt contextTokens,
    OptionalInt threads,
    DataPolicy policy,
    Optional<String> region,
    boolean sealed) {

  /// Where a model comes from.
  public sealed interface Source {
    /// The pool's blobs: manifest and files are fetched, and kept.
    record Published() implements Source {}

    /// A file here, or a folder with the files under the names that the manifest gives them. They
    /// must be the published ones, byte for byte, and stay where they are.
    record Local(Path path) implements Source {}

    /// A server that speaks OpenAI's protocol, e.g. vLLM, llama-server or Ollama.
    ///
    /// @param url up to and including `/v1`
    /// @param upstream the model's name there; absent: its only one, or the one named like here
    /// @param keyFile file with the key that the server asks for
    /// @param direct whether the pool may call the server itself, without this provider's stream;
    ///   the pool must be able to reach it, and it must ask for no key
    /// @param honours the parameters of requests that it honours, where the provider knows better
    ///   than what can be seen of the server
    record Server(
        URI url,
        Optional<String> upstream,
        Optional<Path> keyFile,
        boolean direct,
        Optional<NavigableSet<String>> honours)
        implements Source {
      /// @throws IllegalArgumentException saying what the URL or a parameter must be
      public Server {
        honours = honours.map(names -> Collections.unmodifiableNavigableSet(new TreeSet<>(names)));
        for (String name : honours.orElse(Collections.emptyNavigableSet())) {
          check(
              name.matches(MarketLimits.PARAMETER),
              "honours",
              "'" + name + "'",
              "names of parameters such as temperature,top_p");
        }
        check(
            honours.map(Set::size).orElse(0) <= MarketLimits.PARAMETERS,
            "honours",
            "a list of too many names",
            "at most " + MarketLimits.PARAMETERS + " parameters");
        String scheme = String.valueOf(url.getScheme()).toLowerCase(Locale.ROOT);
        check(
            (scheme.equals("http") || scheme.equals("https")) && url.getHost() != null,
            "server",
            "'" + url + "'",
            "an http or https URL, e.g. http://127.0.0.1:8000/v1");
        check(
            url.getUserInfo() == null,
            "server",
            "a URL with a password",
            "a URL without one: write the key to a file and name that");
        check(
            url.toString().length() <= Limits.ENDPOINT_CHARS,
            "server",
            "a URL of " + url.toString().length() + " characters",
            "at most " + Limits.ENDPOINT_CHARS);
        check(
            !direct || keyFile.isEmpty(),
            "server",
            "a server with a key that the pool shall call itself",
            "without a key, or called through this provider only");
      }
    }
  }

  /// One credit for 10^6 tokens of a prompt, a tenth of it for cached ones, four for 10^6 tokens of
  /// an answer, one for 10^6 rows.
  public static final TokenPrice USUAL_PRICE =
      new TokenPrice(1_000_000, 100_000, 4_000_000, 1_000_000, 0);

  /// @throws IllegalArgumentException saying which value is wrong and what it must be
  public ServedModel {
    check(
        !model.isBlank() && model.length() <= Limits.MODEL_NAME_CHARS + 1 + Limits.MODEL_WORD_CHARS,
        "model",
        "'" + model + "'",
        "a name, a name:version, or the hash of a manifest");
    check(
        inRange(parallel, 1, Limits.OFFER_PARALLEL),
        "parallel",
        parallel,
        "1 to " + Limits.OFFER_PARALLEL);
    check(
        inRange(contextTokens, 1, Limits.CONTEXT_TOKENS),
        "context",
        contextTokens,
        "1 to " + Limits.CONTEXT_TOKENS);
    check(inRange(threads, 1, 1_024), "threads", threads, "1 to 1024");
    check(
        region.orElse("").matches("[A-Za-z0-9._-]{0,32}"),
        "region",
        "'" + region.orElse("") + "'",
        "at most 32 letters, digits, '.', '_' or '-'");
    for (long p :
        new long[] {
          price.perMillionPrompt(),
          price.perMillionCached(),
          price.perMillionCompletion(),
          price.perMillionRows(),
          price.perMillionRequests()
        }) {
      check(p >= 0 && p <= Limits.PRICE, "price", p, "0 to " + Limits.PRICE + " microcredits");
    }
  }

  /// A published model at the usual price: fetched from the pool, nothing kept of the requests,
  /// sealed ones taken.
  public static ServedModel of(String model) {
    return new ServedModel(
        model,
        new Source.Published(),
        USUAL_PRICE,
        OptionalInt.empty(),
        OptionalInt.empty(),
        OptionalInt.empty(),
        DataPolicy.KEEPS_NOTHING,
        Optional.empty(),
        true);
  }

  /// Reads `MODEL`, `MODEL=FILE` or `MODEL=URL[#NAME]`, as people write it on a command line: where
  /// the model comes from is the pool, a file or folder here, or a server next door.
  ///
  /// @throws IllegalArgumentException saying what is wrong and what to write
  public static ServedModel parse(String text) {
    int equals = text.indexOf('=');
    if (equals < 0) {
      return of(text);
    }
    ServedModel served = of(text.substring(0, equals));
    String from = text.substring(equals + 1);
    check(!from.isBlank(), "model", "'" + text + "'", "MODEL, MODEL=FILE or MODEL=URL");
    if (!from.matches("(?i)https?://.*")) {
      return served.from(new Source.Local(Path.of(from)));
    }
    int hash = from.indexOf('#');
    Optional<String> upstream = hash < 0 ? Optional.empty() : Optional.of(from.substring(hash + 1));
    try {
      URI url = new URI(hash < 0 ? from : from.substring(0, hash));
      return served.from(
          new Source.Server(url, upstream, Optional.empty(), false, Optional.empty()));
    } catch (URISyntaxException e) {
      throw new IllegalArgumentException(
          "'" + from + "' is no URL: write e.g. http://127.0.0.1:8000/v1#name", e);
    }
  }

  /// The same from elsewhere.
  public ServedModel from(Source newSource) {
    return new ServedModel(
        model, newSource, price, parallel, contextTokens, threads, policy, region, sealed);
  }

  /// The same at another price.
  public ServedModel at(TokenPrice newPrice) {
    return new ServedModel(
        model, source, newPrice, parallel, contextTokens, threads, policy, region, sealed);
  }

  /// The same, answering so many requests at once.
  public ServedModel parallel(int requests) {
    return new ServedModel(
        model,
        source,
        price,
        OptionalInt.of(requests),
        contextTokens,
        threads,
        policy,
        region,
        sealed);
  }

  /// The same with a context of so many tokens.
  public ServedModel context(int tokens) {
    return new ServedModel(
        model, source, price, parallel, OptionalInt.of(tokens), threads, policy, region, sealed);
  }

  /// The same on so many processors.
  public ServedModel threads(int processors) {
    return new ServedModel(
        model,
        source,
        price,
        parallel,
        contextTokens,
        OptionalInt.of(processors),
        policy,
        region,
        sealed);
  }

  /// The same under another promise about the data.
  public ServedModel promising(DataPolicy newPolicy) {
    return new ServedModel(
        model, source, price, parallel, contextTokens, threads, newPolicy, region, sealed);
  }

  /// The same standing elsewhere.
  public ServedModel in(String newRegion) {
    return new ServedModel(
        model,
        source,
        price,
        parallel,
        contextTokens,
        threads,
        policy,
        Optional.of(newRegion),
        sealed);
  }

  /// The same, taking no encrypted requests.
  public ServedModel unsealed() {
    return new ServedModel(
        model, source, price, parallel, contextTokens, threads, policy, region, false);
  }

  /// Where the pool may call the server itself, with the model's name there as the URL's fragment;
  /// empty: nowhere.
  ///
  /// @param listed the model's name in the pool, which the server knows it by unless told otherwise
  String endpoint(String listed) {
    return source instanceof Source.Server s && s.direct()
        ? s.url() + "#" + s.upstream().orElse(listed)
        : "";
  }

  /// The parameters that whoever serves it says are honoured, if it says so.
  Optional<NavigableSet<String>> honours() {
    return source instanceof Source.Server s ? s.honours() : Optional.empty();
  }

  private static boolean inRange(OptionalInt value, int least, int most) {
    return value.isEmpty() || (value.getAsInt() >= least && value.getAsInt() <= most);
  }

  private static void check(boolean good, String what, Object value, String expected) {
    if (!good) {
      String said =
          value instanceof OptionalInt i ? String.valueOf(i.orElse(0)) : String.valueOf(value);
      throw new IllegalArgumentException(what + " is " + said + "; it must be " + expected);
    }
  }
}

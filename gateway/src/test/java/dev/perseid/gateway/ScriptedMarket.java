package dev.perseid.gateway;

import dev.perseid.core.Address;
import dev.perseid.core.DataPolicy;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.ModelTask;
import dev.perseid.core.TokenPrice;
import dev.perseid.inference.Request;
import dev.perseid.inference.Tokens;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;

/// A market whose providers do what a test tells them.
final class ScriptedMarket implements Market {
  /// What one provider does with a request.
  interface Script {
    Placed ask(Request request, long maxTokens, Receiver receiver);
  }

  /// A request that reached a provider.
  record Asked(Caller caller, Listing listing, Request request, long maxTokens) {
    String body() {
      return new String(request.body(), StandardCharsets.UTF_8);
    }
  }

  static final Market.Bill NOTHING = new Market.Bill(0, 0, 0, 0, 0);
  static final TokenPrice PRICE = new TokenPrice(1_000_000, 100_000, 2_000_000, 3_000_000, 0);
  static final Live WELL =
      new Live(
          true,
          0,
          0,
          OptionalDouble.empty(),
          OptionalDouble.empty(),
          OptionalDouble.empty(),
          0,
          OptionalLong.empty(),
          1_000,
          Optional.empty());

  private final List<Model> models = new ArrayList<>();
  private final Map<Hash, List<Listing>> listings = new LinkedHashMap<>();
  private final Map<Hash, Script> scripts = new ConcurrentHashMap<>();
  private final Map<String, Caller> keys = new ConcurrentHashMap<>();
  private volatile Catalog catalog = new Catalog(0, List.of(), Map.of());

  /// Who takes payments, if a test has somebody.
  volatile Optional<Till> till = Optional.empty();

  /// All that was asked, in order.
  final List<Asked> asked = new CopyOnWriteArrayList<>();

  /// How often running requests were cancelled.
  final AtomicInteger cancelled = new AtomicInteger();

  ScriptedMarket() {
    key("sk-test", 1);
  }

  /// A key and whose it is.
  ScriptedMarket key(String key, int account) {
    keys.put(key, new Caller(new Address(0, 0, account), key));
    return this;
  }

  /// A model on one offer. The same name again is another offer for it.
  synchronized ScriptedMarket serve(String name, ModelTask task, Script script) {
    return serve(name, task, PRICE, WELL, 4_096, script);
  }

  synchronized ScriptedMarket serve(
      String name, ModelTask task, TokenPrice price, Live live, int context, Script script) {
    Hash manifest = Hash.sha256(name.getBytes(StandardCharsets.UTF_8));
    Model model =
        new Model(
            new Address(7, 7, 7),
            name,
            "1",
            manifest,
            task,
            "gguf",
            "q8_0",
            1_000,
            context,
            "MIT",
            10,
            1_700_000_000_000_000L);
    if (!listings.containsKey(manifest)) {
      models.add(model);
    }
    List<Listing> offers = new ArrayList<>(listings.getOrDefault(manifest, List.of()));
    ModelOffer offer =
        new ModelOffer(
            new Address(9, 0, offers.size() + 1),
            manifest,
            "eu-west",
            "q8_0",
            "script",
            price,
            10,
            10,
            64,
            context,
            DataPolicy.KEEPS_NOTHING,
            Optional.empty(),
            "",
            1);
    Hash offerHash =
        Hash.sha256((name + " offer " + offers.size()).getBytes(StandardCharsets.UTF_8));
    offers.add(new Listing(offerHash, offer, model, live));
    listings.put(manifest, List.copyOf(offers));
    scripts.put(offerHash, script);
    catalog = new Catalog(catalog.version() + 1, List.copyOf(models), Map.copyOf(listings));
    return this;
  }

  /// A script that answers at once, on the asking thread.
  static Script answers(Bill bill, String... parts) {
    return (request, maxTokens, receiver) -> {
      for (String part : parts) {
        receiver.part(part.getBytes(StandardCharsets.UTF_8));
      }
      receiver.done(bill);
      return new Placed.Running(() -> {});
    };
  }

  /// A script that hands the request to the test and leaves it open.
  Script leaves(java.util.function.Consumer<Receiver> to) {
    return (request, maxTokens, receiver) -> {
      to.accept(receiver);
      return new Placed.Running(cancelled::incrementAndGet);
    };
  }

  @Override
  public Optional<Caller> caller(String apiKey) {
    return Optional.ofNullable(keys.get(apiKey));
  }

  @Override
  public Catalog catalog() {
    return catalog;
  }

  @Override
  public Optional<Tokens> tokens(Hash model) {
    return Optional.empty();
  }

  @Override
  public Optional<Till> till() {
    return till;
  }

  @Override
  public Placed ask(
      Caller caller, Listing listing, Request request, long maxTokens, Receiver receiver) {
    asked.add(new Asked(caller, listing, request, maxTokens));
    return scripts.get(listing.offerHash()).ask(request, maxTokens, receiver);
  }
}

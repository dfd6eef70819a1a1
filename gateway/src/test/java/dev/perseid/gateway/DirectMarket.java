package dev.perseid.gateway;

import dev.perseid.core.Address;
import dev.perseid.core.DataPolicy;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.ModelTask;
import dev.perseid.core.TokenPrice;
import dev.perseid.inference.Answer;
import dev.perseid.inference.Backend;
import dev.perseid.inference.Claim;
import dev.perseid.inference.Failure;
import dev.perseid.inference.HttpBackend;
import dev.perseid.inference.HttpSettings;
import dev.perseid.inference.Request;
import dev.perseid.inference.Tokens;
import io.netty.channel.EventLoopGroup;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicLong;

/// A market in this process: its providers are backends, and who asks pays what they claim. Shows
/// the gateway with real backends, and is what it is measured with.
final class DirectMarket implements Market {
  private static final TokenPrice PRICE = new TokenPrice(1_000_000, 100_000, 2_000_000, 0, 0);

  private final Caller caller = new Caller(new Address(0, 0, 1), "sk-test");
  private final Map<Hash, Backend> backends = new LinkedHashMap<>();
  private final List<Model> models = new ArrayList<>();
  private final Map<Hash, List<Listing>> listings = new LinkedHashMap<>();
  private volatile Catalog catalog = new Catalog(0, List.of(), Map.of());

  /// All that was charged, microcredits.
  final AtomicLong charged = new AtomicLong();

  /// Serves a model by a backend.
  synchronized DirectMarket serve(String name, ModelTask task, Backend backend) {
    Hash manifest = Hash.sha256(name.getBytes(StandardCharsets.UTF_8));
    Model model =
        new Model(
            new Address(7, 7, 7), name, "1", manifest, task, "api", "f16", 0, 0, "MIT", 10, 1);
    ModelOffer offer =
        new ModelOffer(
            new Address(9, 0, models.size() + 1),
            manifest,
            "",
            "f16",
            backend.name(),
            PRICE,
            10,
            10,
            1_024,
            0,
            DataPolicy.KEEPS_NOTHING,
            Optional.empty(),
            "",
            1);
    Live live =
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
    Hash offerHash = Hash.sha256(("offer of " + name).getBytes(StandardCharsets.UTF_8));
    models.add(model);
    listings.put(manifest, List.of(new Listing(offerHash, offer, model, live)));
    backends.put(offerHash, backend);
    catalog = new Catalog(catalog.version() + 1, List.copyOf(models), Map.copyOf(listings));
    return this;
  }

  @Override
  public Optional<Caller> caller(String apiKey) {
    return apiKey.equals(caller.key()) ? Optional.of(caller) : Optional.empty();
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
  public Placed ask(Caller who, Listing listing, Request request, long max, Receiver receiver) {
    Backend backend = backends.get(listing.offerHash());
    TokenPrice terms = listing.offer().price();
    Runnable cancel =
        backend.ask(
            request,
            new Answer() {
              private boolean any;

              @Override
              public void part(byte[] json) {
                any = true;
                receiver.part(json);
              }

              @Override
              public void done(Claim claim) {
                receiver.done(bill(terms, claim));
              }

              @Override
              public void failed(Failure failure, Claim claim) {
                receiver.failed(failure, bill(terms, any ? claim : Claim.NONE));
              }
            });
    return new Placed.Running(cancel);
  }

  private Bill bill(TokenPrice terms, Claim claim) {
    long charge =
        terms.charge(
            claim.promptTokens(), claim.cachedTokens(), claim.completionTokens(), claim.rows());
    charged.addAndGet(charge);
    return new Bill(
        claim.promptTokens(), claim.cachedTokens(), claim.completionTokens(), claim.rows(), charge);
  }

  /// A gateway in front of one server: `PORT SERVER-URL MODEL...`; its key is `sk-test`.
  public static void main(String[] args) throws Exception {
    EventLoopGroup loops = HttpBackend.loops(2);
    DirectMarket market = new DirectMarket();
    for (int i = 2; i < args.length; i++) {
      HttpSettings settings =
          HttpSettings.of(URI.create(args[1]), args[i]).withParallel(4_096, 4_096);
      market.serve(args[i], ModelTask.CHAT, new HttpBackend(settings, loops));
    }
    Gateway gateway =
        Gateway.start(
            GatewayConfig.loopback()
                .at("127.0.0.1", Integer.parseInt(args[0]), Optional.empty())
                .on(loops),
            market);
    System.out.println(gateway.url() + " of process " + ProcessHandle.current().pid());
    Thread.currentThread().join();
  }
}

package dev.perseid.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Address;
import dev.perseid.core.DataPolicy;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.ModelTask;
import dev.perseid.core.TokenPrice;
import dev.perseid.inference.Api;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Who is asked, in which order. Offers are named by the number at the end of their provider.
class RouterTest {
  private final List<Model> models = new ArrayList<>();
  private final Map<Hash, List<Market.Listing>> listings = new LinkedHashMap<>();
  private final Map<Hash, Breakers.State> broken = new HashMap<>();
  private int offers;

  private Model model(String name, String version) {
    Hash manifest = Hash.sha256((name + version).getBytes(StandardCharsets.UTF_8));
    Model model =
        new Model(
            Address.ZERO,
            name,
            version,
            manifest,
            ModelTask.CHAT,
            "gguf",
            "q8",
            1,
            4096,
            "MIT",
            0,
            1);
    models.add(model);
    return model;
  }

  private static Market.Live live(double firstMs, double rate, long energy, int trust) {
    return new Market.Live(
        true,
        0,
        0,
        OptionalDouble.of(firstMs),
        OptionalDouble.of(firstMs),
        OptionalDouble.of(rate),
        0,
        OptionalLong.of(energy),
        trust,
        Optional.empty());
  }

  /// One that says which parameters it honours.
  private static Market.Live honouring(String... names) {
    Market.Live l = live(100, 50, 1, 1000);
    return new Market.Live(
        l.reachable(),
        l.running(),
        l.waiting(),
        l.firstTokenMs(),
        l.firstTokenP90Ms(),
        l.tokensPerS(),
        l.failedShare(),
        l.microjoulesPerToken(),
        l.trust(),
        Optional.of(new TreeSet<>(List.of(names))));
  }

  private Market.Listing offer(Model model, long price, Market.Live live) {
    return offer(model, price, live, "eu-west", "q8", DataPolicy.KEEPS);
  }

  private Market.Listing offer(
      Model model, long price, Market.Live live, String region, String quant, DataPolicy policy) {
    int number = ++offers;
    ModelOffer offer =
        new ModelOffer(
            new Address(0, 0, number),
            model.manifest(),
            region,
            quant,
            "test",
            new TokenPrice(price, price, price, 0, 0),
            0,
            0,
            4,
            4096,
            policy,
            Optional.empty(),
            "",
            1);
    Market.Listing listing =
        new Market.Listing(Hash.sha256(new byte[] {(byte) number}), offer, model, live);
    listings.computeIfAbsent(model.manifest(), m -> new ArrayList<>()).add(listing);
    return listing;
  }

  private Shelf shelf() {
    return new Shelf(new Market.Catalog(1, models, listings), (s, m) -> 0);
  }

  private static ObjectNode json(String text) throws Problem {
    return Json.parse(text.getBytes(StandardCharsets.UTF_8));
  }

  private List<Integer> ask(String provider, long affinity, String... names) throws Problem {
    return asking("{}", provider, affinity, names);
  }

  private List<Integer> asking(String body, String provider, long affinity, String... names)
      throws Problem {
    Call call =
        Call.of(
            Api.CHAT,
            List.of(names),
            json(body),
            false,
            Wishes.of(json(provider)),
            OptionalLong.empty(),
            1,
            affinity);
    Router router = new Router(shelf(), h -> broken.getOrDefault(h, Breakers.State.CLOSED), 42);
    return router.candidates(call).stream().map(c -> c.listing().offer().provider().c()).toList();
  }

  private void three() {
    Model m = model("m", "1");
    offer(m, 300, live(100, 50, 5, 1000), "eu-west", "q4", DataPolicy.KEEPS_NOTHING);
    offer(m, 100, live(300, 20, 9, 1000), "us-east", "q8", DataPolicy.COLLECTS);
    offer(m, 200, live(200, 90, 1, 1000), "eu", "f16", DataPolicy.KEEPS);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"sort\":\"price\"} | 2 3 1",
        "{\"sort\":\"throughput\"} | 3 1 2",
        "{\"sort\":\"latency\"} | 1 3 2",
        "{\"sort\":\"energy\"} | 3 1 2",
        "{\"sort\":\"price\",\"region\":\"eu\"} | 3 1",
        "{\"sort\":\"price\",\"region\":[\"US-EAST\",\"eu-west\"]} | 2 1",
        "{\"sort\":\"price\",\"quantizations\":[\"q8\",\"f16\"]} | 2 3",
        "{\"sort\":\"price\",\"data_collection\":\"deny\"} | 3 1",
        "{\"sort\":\"price\",\"zdr\":true} | 1",
        "{\"sort\":\"price\",\"max_price\":{\"prompt\":0.0002}} | 2 3",
        "{\"sort\":\"price\",\"max_price\":{\"completion\":\"0.0001\"}} | 2",
        "{\"sort\":\"price\",\"allow_fallbacks\":false} | 2",
        "{\"order\":[\"0x0000000000000000000000000000000000000003\",\"0x0000000000000000000000000000000000000001\"],\"allow_fallbacks\":false} | 3 1",
        "{\"order\":[\"0x0000000000000000000000000000000000000003\"],\"sort\":\"price\"} | 3 2 1",
        "{\"sort\":\"price\",\"only\":[\"0x0000000000000000000000000000000000000001\"]} | 1",
        "{\"sort\":\"price\",\"ignore\":[\"0x0000000000000000000000000000000000000002\"]} | 3 1",
      })
  void wishesAreKept(String provider, String order) throws Exception {
    three();
    assertThat(ask(provider, 1, "m"))
        .containsExactlyElementsOf(
            List.of(order.split(" ")).stream().map(Integer::valueOf).toList());
  }

  @Test
  void aPriceHasNoMoreDigitsThanANumberMayHave() {
    var most = Json.object();
    most.putObject("max_price").put("prompt", "9".repeat(4_000_000));
    assertTimeoutPreemptively(
        Duration.ofSeconds(20),
        () ->
            assertThatThrownBy(() -> Wishes.of(most))
                .isInstanceOf(Problem.class)
                .hasMessageContaining("provider.max_price.prompt"));
  }

  @Test
  void suffixesSort() throws Exception {
    three();
    assertThat(ask("{}", 1, "m:floor")).containsExactly(2, 3, 1);
    assertThat(ask("{}", 1, "m:nitro")).containsExactly(3, 1, 2);
    assertThat(ask("{}", 1, "m:1:floor")).containsExactly(2, 3, 1);
  }

  @Test
  void cheapOnesAreChosenByTheInverseSquareOfThePriceAndConversationsStay() throws Exception {
    Model m = model("m", "1");
    offer(m, 100, live(100, 50, 1, 1000));
    offer(m, 200, live(100, 50, 1, 1000));
    int first = 0;
    for (int i = 0; i < 4_000; i++) {
      List<Integer> order = ask("{}", i, "m");
      assertThat(ask("{}", i, "m")).isEqualTo(order);
      first += order.getFirst() == 1 ? 1 : 0;
    }
    // 4 to 1: 3,200, with a standard deviation of 25.
    assertThat(first).isBetween(3_050, 3_350);
  }

  @Test
  void whoLeavesTakesOnlyItsOwnConversationsAlong() throws Exception {
    Model m = model("m", "1");
    for (int i = 0; i < 4; i++) {
      offer(m, 100, live(100, 50, 1, 1000));
    }
    Map<Integer, Integer> before = new HashMap<>();
    for (int i = 0; i < 500; i++) {
      before.put(i, ask("{}", i, "m").getFirst());
    }
    Hash gone = listings.get(m.manifest()).get(1).offerHash();
    broken.put(gone, Breakers.State.OPEN);
    for (int i = 0; i < 500; i++) {
      int now = ask("{}", i, "m").getFirst();
      assertThat(now).isNotEqualTo(2);
      if (before.get(i) != 2) {
        assertThat(now).isEqualTo(before.get(i));
      }
    }
  }

  @Test
  void theUnwellComeLast() throws Exception {
    Model m = model("m", "1");
    offer(
        m,
        1,
        new Market.Live(
            false,
            0,
            0,
            OptionalDouble.empty(),
            OptionalDouble.empty(),
            OptionalDouble.empty(),
            0,
            OptionalLong.empty(),
            1000,
            Optional.empty()));
    offer(
        m,
        1,
        new Market.Live(
            true,
            4,
            0,
            OptionalDouble.empty(),
            OptionalDouble.empty(),
            OptionalDouble.empty(),
            0,
            OptionalLong.empty(),
            1000,
            Optional.empty()));
    offer(m, 1, live(100, 50, 1, 400));
    offer(m, 1, live(10_000, 50, 1, 1000));
    offer(m, 1_000_000, live(100, 50, 1, 1000));
    offer(m, 1, live(100, 50, 1, 0));
    Market.Listing open = offer(m, 1, live(100, 50, 1, 1000));
    broken.put(open.offerHash(), Breakers.State.OPEN);
    // Well, slow, doubtful, full, broken, gone; one that was caught is never asked.
    assertThat(ask("{}", 3, "m")).containsExactly(5, 4, 3, 2, 7, 1);
  }

  @Test
  void otherModelsFollowAndGoBeforeWhatIsBroken() throws Exception {
    Model a = model("a", "1");
    Model b = model("b", "1");
    Market.Listing one = offer(a, 1, live(1, 1, 1, 1000));
    offer(b, 1, live(1, 1, 1, 1000));
    assertThat(ask("{}", 1, "a", "b")).containsExactly(1, 2);
    broken.put(one.offerHash(), Breakers.State.OPEN);
    assertThat(ask("{}", 1, "a", "b")).containsExactly(2, 1);
    broken.put(one.offerHash(), Breakers.State.HALF_OPEN);
    assertThat(ask("{}", 1, "a", "b")).containsExactly(1, 2);
  }

  @Test
  void aNameIsItsNewestVersionThatIsServed() throws Exception {
    Model old = model("m", "1");
    Model young = model("m", "2");
    offer(old, 1, live(1, 1, 1, 1000));
    assertThat(ask("{}", 1, "m")).containsExactly(1);
    offer(young, 1, live(1, 1, 1, 1000));
    assertThat(ask("{}", 1, "m")).containsExactly(2);
    assertThat(ask("{}", 1, "m:1")).containsExactly(1);
    assertThat(ask("{}", 1, "sha256:" + old.manifest().hex())).containsExactly(1);
    assertThatThrownBy(() -> ask("{}", 1, "m:3"))
        .isInstanceOfSatisfying(
            Problem.class, p -> assertThat(p.code()).isEqualTo("model_not_found"));
  }

  @Test
  void whoInsistsOnItsParametersMeetsOnlyWhoHonoursThem() throws Exception {
    Model m = model("m", "1");
    offer(m, 1, live(100, 50, 1, 1000));
    offer(m, 2, honouring());
    offer(m, 3, honouring("temperature"));
    offer(m, 4, honouring("seed", "temperature", "top_p"));
    String all = "{\"sort\":\"price\"}";
    String strict = "{\"sort\":\"price\",\"require_parameters\":true}";
    String warm = "{\"messages\":[{\"temperature\":1}],\"temperature\":1}";
    assertThat(asking(warm, all, 1, "m")).containsExactly(1, 2, 3, 4);
    assertThat(asking(warm, strict, 1, "m")).containsExactly(3, 4);
    assertThat(asking("{\"temperature\":1,\"seed\":2}", strict, 1, "m")).containsExactly(4);
    // What says nothing names nothing, and then there is nothing to insist on.
    String silent = "{\"messages\":[],\"stop\":null,\"tools\":[],\"logit_bias\":{},\"user\":\"u\"}";
    assertThat(asking(silent, strict, 1, "m")).containsExactly(1, 2, 3, 4);
    assertThatThrownBy(() -> asking("{\"top_k\":1,\"temperature\":1}", strict, 1, "m"))
        .isInstanceOfSatisfying(
            Problem.class,
            p -> {
              assertThat(p.status()).isEqualTo(404);
              assertThat(p.param()).isEqualTo("provider.require_parameters");
              assertThat(p.text())
                  .contains("require_parameters excludes 4 (the request names temperature, top_k)");
            });
  }

  @Test
  void nobodyIsToldApart() {
    Model m = model("m", "1");
    assertThatThrownBy(() -> ask("{}", 1, "m"))
        .isInstanceOfSatisfying(Problem.class, p -> assertThat(p.status()).isEqualTo(503));
    offer(m, 100, live(1, 1, 1, 1000));
    assertThatThrownBy(() -> ask("{\"zdr\":true}", 1, "m"))
        .isInstanceOfSatisfying(
            Problem.class,
            p -> {
              assertThat(p.status()).isEqualTo(404);
              assertThat(p.param()).isEqualTo("provider.zdr");
            });
  }
}

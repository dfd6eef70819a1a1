package dev.perseid.chain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Key;
import java.math.BigInteger;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// That who follows the reader knows who has what at stake, and who paid it.
class BondReaderTest {
  @TempDir Path folder;

  /// A registered provider whose key pays for its own gas.
  private static Outbox provider(Lab lab, Key key) throws Exception {
    lab.local.fund(key.address(), Lab.ETHER);
    Outbox own = lab.outbox(key, key.address().toString());
    lab.done(own, lab.registry.register(Registry.PROVIDER, Address.ZERO, "", Hash.ZERO));
    return own;
  }

  private static void money(Lab lab, Outbox payer) throws ChainException {
    lab.done(lab.token.mint(payer.account(), 1_000_000));
    lab.done(payer, lab.token.approve(lab.deployment.collateral(), 1_000_000));
  }

  private static BondReader reader(Lab lab, Address pool, int confirmations, long logBlocks) {
    return new BondReader(
        lab.chain,
        lab.deployment.collateral(),
        pool,
        lab.deployment.fromBlock(),
        confirmations,
        logBlocks);
  }

  private static void readAll(BondReader reader) throws ChainException {
    for (int i = 0; !follow(reader); i++) {
      assertThat(i).isLessThan(1_000);
    }
  }

  private static boolean follow(BondReader reader) throws ChainException {
    return reader.follow(reader.head(), System.nanoTime() + 60_000_000_000L);
  }

  private static BondReader.Stake stake(long value, long reachable) {
    return new BondReader.Stake(value, reachable, true, true);
  }

  private static BondReader.Stake of(BondReader reader, Address who) throws ChainException {
    return reader.stakes(List.of(who), reader.head()).get(who);
  }

  private static final BondReader.Stake NONE = stake(0, 0);

  @Test
  void whoPaidAndWhatIsLeftIsKnown() throws Exception {
    Key key = Lab.key(200);
    try (Lab lab = new Lab(folder);
        Outbox own = provider(lab, key)) {
      Address pool = lab.pool();
      Address who = key.address();
      Address patron = lab.operator.address();
      Collateral all = lab.collateral;
      BondReader reader = reader(lab, pool, 1, 1_000);
      readAll(reader);
      assertThat(of(reader, who)).isEqualTo(NONE);
      money(lab, own);
      money(lab, lab.outbox);
      lab.done(all.bond(who, pool, 0, 300));
      lab.done(own, all.bond(who, pool, 0, 200));
      lab.done(own, all.bond(who, lab.deployment.court(), 0, 900)); // under another arbiter
      readAll(reader);
      assertThat(reader.takeChanged()).containsExactly(who);
      assertThat(reader.takeChanged()).isEmpty();
      assertThat(of(reader, who)).isEqualTo(stake(500, 500));
      assertThat(reader.funder(who)).contains(patron);
      lab.done(own, all.bond(who, pool, 0, 100));
      readAll(reader);
      assertThat(reader.funder(who)).as("half is not most").isEmpty();
      lab.done(own, all.bond(who, pool, 0, 1));
      lab.done(own, all.unbond(who, pool, 0, 101));
      readAll(reader);
      assertThat(of(reader, who)).isEqualTo(stake(500, 601));
      assertThat(reader.funder(who)).contains(who);
      BondReader late = reader(lab, pool, 1, 3);
      readAll(late);
      assertThat(late.funder(who)).contains(who);
      Hash evidence = new Hash(1, 2, 3, 4);
      lab.done(all.slash(who, 1_000, evidence, pool)); // also what is leaving
      readAll(reader);
      assertThat(of(reader, who)).isEqualTo(NONE);
      assertThat(reader.funder(who)).isEmpty();
      assertThatThrownBy(() ->
              lab.outbox.submit("again", all.slash(who, 1, evidence, pool), Outbox.Again.NEVER))
          .isInstanceOfSatisfying(
              ChainException.class,
              e -> assertThat(e.revert().orElseThrow().error()).isEqualTo("AlreadySlashed"));
      lab.done(all.bond(who, pool, 0, 10));
      readAll(reader);
      assertThat(reader.funder(who)).as("what was paid before is gone").contains(patron);
      BondReader later = reader(lab, pool, 1, 3);
      readAll(later);
      assertThat(later.funder(who)).contains(patron);
      assertThat(of(later, who)).isEqualTo(stake(10, 10));
    }
  }

  /// What gives back one number, whatever it is asked.
  private static byte[] saying(BigInteger number) {
    return HexFormat.of().parseHex("7f" + String.format("%064x", number) + "60005260206000f3");
  }

  @Test
  void sharesOfAVaultCountByWhatTheyAreWorthNow() throws Exception {
    Key key = Lab.key(230);
    Address vault = Address.parse("0x00000000000000000000000000000000000a0175");
    try (Lab lab = new Lab(folder);
        Outbox own = provider(lab, key)) {
      Address pool = lab.pool();
      Address who = key.address();
      // First it says what it is a vault of; then it is a token that says nothing of its worth.
      lab.local.code(vault, saying(new BigInteger(1, lab.token.address().bytes())));
      Collateral both = new Collateral(lab.chain, two(lab, vault));
      Token shares = new Token(lab.chain, vault);
      byte[] token = lab.chain.code(lab.token.address(), At.latest());
      lab.local.code(vault, token);
      money(lab, lab.outbox);
      lab.done(lab.token.approve(both.address(), 1_000_000));
      lab.done(shares.mint(who, 1_000));
      lab.done(own, shares.approve(both.address(), 1_000));
      lab.done(both.bond(who, pool, 0, 100));
      lab.done(own, both.bond(who, pool, 1, 60));
      BondReader reader =
          new BondReader(lab.chain, both.address(), pool, lab.deployment.fromBlock(), 1);
      readAll(reader);
      assertThat(of(reader, who))
          .as("the vault is silent")
          .isEqualTo(new BondReader.Stake(100, 100, false, true));
      assertThat(reader.funder(who)).contains(lab.operator.address());
      // Two a share, of which a tenth does not count: 108.
      lab.local.code(vault, saying(BigInteger.TWO.multiply(BigInteger.TEN.pow(30))));
      assertThat(of(reader, who)).isEqualTo(stake(208, 208));
      assertThat(reader.funder(who)).contains(who);
      // More than any number of ours.
      lab.local.code(vault, saying(BigInteger.TWO.pow(200)));
      assertThat(of(reader, who).value()).isEqualTo(Long.MAX_VALUE);
      lab.local.code(vault, token);
      lab.done(both.slash(who, 500, new Hash(1, 2, 3, 4), pool));
      readAll(reader);
      assertThat(of(reader, who)).isEqualTo(new BondReader.Stake(50, 50, false, true));
    }
  }

  /// Collateral in the lab's token and in shares of a vault of it, a tenth of which do not count.
  private static Address two(Lab lab, Address vault) throws Exception {
    long cap = 1_000_000_000_000L;
    Call creation =
        Artifact.COLLATERAL.creation(
            Abi.address(lab.token.address()),
            Abi.address(lab.registry.address()),
            Abi.address(lab.deployment.court()),
            Abi.address(Deployer.Plan.NOBODY),
            Abi.array(
                List.of(
                    new Collateral.Asset(lab.token.address(), false, 0, cap, 0).abi(),
                    new Collateral.Asset(vault, true, 100, cap, 0).abi())));
    return lab.done(creation).created().orElseThrow();
  }

  @Test
  void aNodeThatGivesFewLogsAtOnceIsAskedForFewer() throws Exception {
    Key key = Lab.key(240);
    try (Lab lab = new Lab(folder);
        Outbox own = provider(lab, key);
        FaultyNode faulty = new FaultyNode(lab.local.rpc());
        Chain chain =
            Chain.connect(List.of(faulty.url()), OptionalLong.of(lab.chain.id()), 5_000)) {
      Address pool = lab.pool();
      money(lab, own);
      lab.local.mine(200);
      for (int i = 0; i < 70; i++) { // of more than one look is asked who paid
        lab.done(own, lab.collateral.bond(key.address(), pool, 0, 1));
      }
      lab.local.mine(200);
      faulty.lie =
          (method, request, answer) -> {
            if (method.equals("eth_getLogs")) {
              JsonNode filter = request.path("params").get(0);
              long from = Long.decode(filter.path("fromBlock").asText());
              long to = Long.decode(filter.path("toBlock").asText());
              if (to - from >= 100) {
                answer.remove("result");
                answer.putObject("error").put("code", -32005).put("message", "too many results");
              }
            }
          };
      BondReader reader =
          new BondReader(chain, lab.deployment.collateral(), pool, lab.deployment.fromBlock(), 1);
      assertThat(follow(reader)).as("of 64 blocks it is asked who paid").isFalse();
      assertThat(of(reader, key.address())).isEqualTo(new BondReader.Stake(70, 70, true, false));
      readAll(reader);
      assertThat(reader.funder(key.address())).contains(key.address());
      assertThat(of(reader, key.address())).as("nothing twice").isEqualTo(stake(70, 70));
      // Also the money's own reader.
      EscrowReader money =
          new EscrowReader(chain, lab.deployment.escrow(), pool, lab.deployment.fromBlock(), 1);
      assertThat(money.readAll(List.of()).isCaughtUp()).isTrue();
    }
  }

  @Test
  void whoReadsKnowsWhatTheChainSaysThroughReorganisations() throws Exception {
    long seed = 1_009;
    System.out.println("BondReaderTest seed " + seed);
    Random random = new Random(seed);
    List<Key> keys = List.of(Lab.key(210), Lab.key(211));
    Map<Address, Outbox> outboxes = new HashMap<>();
    try (Lab lab = new Lab(folder)) {
      Address pool = lab.pool();
      try {
        for (Key key : keys) {
          outboxes.put(key.address(), provider(lab, key));
          money(lab, outboxes.get(key.address()));
        }
        money(lab, lab.outbox);
        BondReader reader = reader(lab, pool, 1, 1_000);
        Map<Address, Map<Address, Long>> paid = new HashMap<>();
        for (int round = 0; round < 24; round++) {
          Map<Address, Map<Address, Long>> before = copy(paid);
          Address who = keys.get(random.nextInt(2)).address();
          Outbox own = outboxes.get(who);
          Collateral.Bond bond = lab.collateral.bond(who, pool, 0, At.latest());
          int what = random.nextInt(6);
          if (what == 0 && bond.active() > 5) {
            lab.done(own, lab.collateral.unbond(who, pool, 0, 5));
          } else if (what == 1 && bond.leaving() > 0) {
            lab.done(own, lab.collateral.stay(who, pool, 0));
          } else if (what == 2 && bond.active() > 0) {
            int permille = random.nextBoolean() ? 100 : 1_000;
            lab.done(lab.collateral.slash(who, permille, new Hash(seed, 0, 0, round), pool));
            if (permille == 1_000) {
              paid.remove(who);
            }
          } else {
            Outbox payer = random.nextBoolean() ? own : lab.outbox;
            lab.done(payer, lab.collateral.bond(who, pool, 0, 10 + round));
            paid.computeIfAbsent(who, _ -> new HashMap<>())
                .merge(payer.account(), 10L + round, Long::sum);
          }
          readAll(reader);
          if (random.nextInt(3) == 0) {
            lab.local.reorganise(1);
            lab.local.mine(1);
            paid = before;
            readAll(reader);
          }
          for (Key key : keys) {
            Address one = key.address();
            Collateral.Bond bonded = lab.collateral.bond(one, pool, 0, At.latest());
            assertThat(of(reader, one))
                .as("round %d", round)
                .isEqualTo(
                    stake(
                        lab.collateral.valueOf(one, pool, At.latest()),
                        bonded.active() + bonded.leaving()));
            assertThat(reader.funder(one)).as("round %d", round).isEqualTo(most(paid.get(one)));
          }
        }
      } finally {
        for (Outbox one : outboxes.values()) {
          one.close();
        }
      }
    }
  }

  private static Map<Address, Map<Address, Long>> copy(Map<Address, Map<Address, Long>> paid) {
    Map<Address, Map<Address, Long>> copy = new HashMap<>();
    paid.forEach((who, by) -> copy.put(who, new HashMap<>(by)));
    return copy;
  }

  private static Optional<Address> most(@Nullable Map<Address, Long> paid) {
    if (paid == null) {
      return Optional.empty();
    }
    long all = paid.values().stream().mapToLong(Long::longValue).sum();
    return paid.entrySet().stream()
        .filter(p -> 2 * p.getValue() > all)
        .map(Map.Entry::getKey)
        .findFirst();
  }

  @Test
  void oneLyingNodeOfThreeDecidesNothing() throws Exception {
    Key key = Lab.key(250);
    try (Lab lab = new Lab(folder);
        Outbox own = provider(lab, key);
        FaultyNode liar = new FaultyNode(lab.local.rpc());
        FaultyNode second = new FaultyNode(lab.local.rpc());
        FaultyNode third = new FaultyNode(lab.local.rpc());
        Chain chain =
            Chain.connect(
                List.of(liar.url(), second.url(), third.url()),
                OptionalLong.of(lab.chain.id()),
                5_000)) {
      Address pool = lab.pool();
      money(lab, own);
      lab.done(own, lab.collateral.bond(key.address(), pool, 0, 300));
      Collateral seen = new Collateral(chain, lab.deployment.collateral());
      Call slash = seen.slash(key.address(), 100, new Hash(1, 2, 3, 4), pool);
      Head head = chain.confirmed(1);
      assertThat(seen.isUsed(slash, pool, head)).isFalse();
      String used =
          "0x" + HexFormat.of().formatHex(Abi.call("AlreadySlashed(bytes32)", Abi.uint(1)));
      liar.lie =
          (method, request, answer) -> {
            if (method.equals("eth_call")) {
              answer.remove("result");
              answer
                  .putObject("error")
                  .put("code", 3)
                  .put("message", "execution reverted")
                  .put("data", used);
            }
          };
      assertThatThrownBy(() -> seen.isUsed(slash, pool, head))
          .isInstanceOfSatisfying(
              ChainException.class,
              e -> assertThat(e.kind()).isEqualTo(ChainException.Kind.UNTRUSTED));
      BondReader reader =
          new BondReader(chain, lab.deployment.collateral(), pool, lab.deployment.fromBlock(), 1);
      assertThatThrownBy(() -> of(reader, key.address())).isInstanceOf(ChainException.class);
      liar.lie = (method, request, answer) -> {};
      lab.done(lab.collateral.slash(key.address(), 100, new Hash(1, 2, 3, 4), pool));
      assertThat(seen.isUsed(slash, pool, chain.confirmed(1))).isTrue();
      assertThat(seen.isUsed(slash, pool, head)).as("not yet at that block").isFalse();
    }
  }

  @Test
  void aBondWithoutItsTransferIsNotBelieved() throws Exception {
    Key key = Lab.key(220);
    try (Lab lab = new Lab(folder);
        Outbox own = provider(lab, key);
        FaultyNode faulty = new FaultyNode(lab.local.rpc());
        Chain chain =
            Chain.connect(List.of(faulty.url()), OptionalLong.of(lab.chain.id()), 5_000)) {
      Address pool = lab.pool();
      money(lab, own);
      lab.done(own, lab.collateral.bond(key.address(), pool, 0, 300));
      BondReader reader =
          new BondReader(chain, lab.deployment.collateral(), pool, lab.deployment.fromBlock(), 1);
      String token = lab.token.address().toString();
      faulty.lie =
          (method, request, answer) -> {
            if (method.equals("eth_getLogs") && request.toString().contains(token)) {
              ((ArrayNode) answer.get("result")).removeAll();
            }
          };
      assertThatThrownBy(() -> follow(reader)).hasMessageContaining("without the transfer");
      assertThat(of(reader, key.address()))
          .as("what is there is known all the same")
          .isEqualTo(new BondReader.Stake(300, 300, true, false));
      faulty.lie = (method, request, answer) -> {};
      assertThat(follow(reader)).isTrue();
      assertThat(reader.funder(key.address())).contains(key.address());
    }
  }
}

package dev.perseid.chain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ArrayNode;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Key;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
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
    for (int i = 0; !reader.read(); i++) {
      assertThat(i).isLessThan(1_000);
    }
  }

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
      assertThat(reader.of(who)).isEqualTo(BondReader.Stake.NONE);
      money(lab, own);
      money(lab, lab.outbox);
      lab.done(all.bond(who, pool, 0, 300));
      lab.done(own, all.bond(who, pool, 0, 200));
      lab.done(own, all.bond(who, lab.deployment.court(), 0, 900)); // under another arbiter
      readAll(reader);
      assertThat(reader.of(who)).isEqualTo(new BondReader.Stake(500, Optional.of(patron), true));
      lab.done(own, all.bond(who, pool, 0, 100));
      readAll(reader);
      assertThat(reader.of(who).funder()).as("half is not most").isEmpty();
      lab.done(own, all.bond(who, pool, 0, 1));
      lab.done(own, all.unbond(who, pool, 0, 101));
      readAll(reader);
      assertThat(reader.of(who)).isEqualTo(new BondReader.Stake(500, Optional.of(who), true));
      Hash evidence = new Hash(1, 2, 3, 4);
      lab.done(all.slash(who, 1_000, evidence, pool)); // also what is leaving
      readAll(reader);
      assertThat(reader.of(who)).isEqualTo(new BondReader.Stake(0, Optional.of(who), false));
      assertThatThrownBy(() -> lab.outbox.submit("again", all.slash(who, 1, evidence, pool), NEVER))
          .isInstanceOfSatisfying(
              ChainException.class,
              e -> assertThat(e.revert().orElseThrow().error()).isEqualTo("AlreadySlashed"));
      BondReader late = reader(lab, pool, 1, 3);
      readAll(late);
      assertThat(late.of(who)).isEqualTo(reader.of(who));
    }
  }

  private static final Outbox.Again NEVER = Outbox.Again.NEVER;

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
        BondReader reader = reader(lab, pool, 1, 1_000);
        for (int round = 0; round < 16; round++) {
          Address who = keys.get(random.nextInt(2)).address();
          Outbox own = outboxes.get(who);
          Collateral.Bond bond = lab.collateral.bond(who, pool, 0, At.latest());
          Call next =
              switch (random.nextInt(4)) {
                case 0 -> bond.active() > 5 ? lab.collateral.unbond(who, pool, 0, 5) : null;
                case 1 -> bond.leaving() > 0 ? lab.collateral.stay(who, pool, 0) : null;
                default -> null;
              };
          lab.done(own, next != null ? next : lab.collateral.bond(who, pool, 0, 10 + round));
          if (random.nextInt(3) == 0) {
            lab.done(lab.collateral.slash(who, 100, new Hash(seed, 0, 0, round), pool));
          }
          readAll(reader);
          if (random.nextInt(3) == 0) {
            lab.local.reorganise(1);
            lab.local.mine(1);
            readAll(reader);
          }
          for (Key key : keys) {
            assertThat(reader.of(key.address()).value())
                .as("round %d", round)
                .isEqualTo(lab.collateral.valueOf(key.address(), pool, At.latest()));
          }
        }
      } finally {
        for (Outbox one : outboxes.values()) {
          one.close();
        }
      }
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
      assertThatThrownBy(reader::read).hasMessageContaining("without the transfer");
      faulty.lie = (method, request, answer) -> {};
      assertThat(reader.read()).isTrue();
      assertThat(reader.of(key.address()))
          .as("nothing was counted twice")
          .isEqualTo(new BondReader.Stake(300, Optional.of(key.address()), true));
    }
  }
}

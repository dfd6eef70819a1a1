package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Address;
import dev.perseid.settle.Key;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

/// What a wallet signs, whatever the pool says.
class WalletTest {
  private static final Address ESCROW = Address.parse("0x00000000000000000000000000000000000e5c02");

  private final Key key = Key.generate();
  private final Key poolKey = Key.generate();
  private final List<String> notices = new ArrayList<>();
  private final List<Long> paid = new ArrayList<>();

  /// A pool that says what the test wants it to say.
  private final class Scripted implements Wallet.Counter {
    VoucherTerms terms =
        new VoucherTerms(true, true, 31_337, ESCROW, Optional.of(ESCROW), poolKey.address());
    long funded = 1_000_000;
    long spent;
    long signed;
    String signature = "";
    long inFlight;
    long wanted;
    long provedFromNow;
    long spentMeanwhile;
    int asked;

    @Override
    public PurseState purse() {
      return new PurseState(
          key.address(),
          terms,
          funded,
          spent,
          0,
          0,
          signed,
          signature,
          inFlight,
          wanted,
          OptionalLong.empty(),
          7);
    }

    @Override
    public void pay(long cumulative, String with) {
      assertThat(Key.verify(terms.digest(key.address(), cumulative), with, key.address())).isTrue();
      paid.add(cumulative);
      if (cumulative > signed) {
        signed = cumulative;
        signature = with;
      }
    }

    @Override
    public Wallet.Proved proved(long number, boolean all) {
      asked++;
      long now = provedFromNow;
      provedFromNow = 0;
      spent += spentMeanwhile;
      spentMeanwhile = 0;
      return new Wallet.Proved(now, number + 1);
    }
  }

  private Wallet open(Scripted pool) throws PoolFailure {
    return Wallet.open(pool, key, poolKey.address(), Optional.empty(), notices::add);
  }

  @Test
  void paysAsWorkIsProvedAndNeverMoreThanTheWindowBeyond() throws Exception {
    Scripted pool = new Scripted();
    Wallet wallet = open(pool);
    assertThat(wallet.tend(pool.purse(), 1_000)).isInstanceOf(Wallet.Look.Enough.class);
    pool.wanted = 400;
    assertThat(wallet.tend(pool.purse(), 1_000)).isEqualTo(new Wallet.Look.Signed(1_000));
    pool.spent = 900;
    pool.provedFromNow = 900;
    pool.wanted = 1_300;
    assertThat(wallet.tend(pool.purse(), 1_000)).isEqualTo(new Wallet.Look.Signed(1_900));
    // The pool says more was spent than receipts prove: the wallet goes no further.
    pool.spent = 1_900;
    pool.provedFromNow = 300;
    pool.wanted = 2_300;
    assertThat(wallet.tend(pool.purse(), 1_000)).isInstanceOf(Wallet.Look.Lacking.class);
    assertThat(notices).singleElement().asString().contains("1200 of them proved by receipts");
    assertThat(paid).containsExactly(1_000L, 1_900L);
    // The receipts come after all.
    pool.provedFromNow = 700;
    assertThat(wallet.tend(pool.purse(), 1_000)).isEqualTo(new Wallet.Look.Signed(2_900));
  }

  @Test
  void aPoolThatSaysItWasPaidForMoreGetsNothing() throws Exception {
    Scripted pool = new Scripted();
    pool.spent = 500_000;
    Wallet wallet = open(pool);
    pool.wanted = 500_100;
    assertThat(wallet.tend(pool.purse(), 1_000)).isInstanceOf(Wallet.Look.Lacking.class);
    assertThat(paid).isEmpty();
    assertThat(pool.asked).isPositive();
  }

  @Test
  void aNewWalletGrantsNoNewWindow() throws Exception {
    Scripted pool = new Scripted();
    pool.wanted = 400;
    assertThat(open(pool).tend(pool.purse(), 1_000)).isEqualTo(new Wallet.Look.Signed(1_000));
    // The pool says that all was spent that was signed, and shows no receipts, at each start.
    for (int start = 0; start < 3; start++) {
      pool.spent = pool.signed;
      pool.wanted = pool.spent + 400;
      Wallet wallet = open(pool);
      assertThat(wallet.tend(pool.purse(), 1_000)).isInstanceOf(Wallet.Look.Lacking.class);
    }
    assertThat(paid).containsExactly(1_000L);
    // What receipts prove counts, old ones too.
    pool.provedFromNow = 1_000;
    assertThat(open(pool).tend(pool.purse(), 1_000)).isEqualTo(new Wallet.Look.Signed(2_000));
  }

  /// Who begins to follow work that is under way is shown receipts of what was not yet charged when
  /// it looked at the purse.
  @Test
  void whatIsChargedWhileReceiptsAreCountedIsProvedToo() throws Exception {
    Scripted pool = new Scripted();
    pool.signed = 2_000;
    pool.signature = key.sign(pool.terms.digest(key.address(), 2_000));
    pool.spent = 900;
    pool.spentMeanwhile = 300;
    pool.provedFromNow = 1_200;
    Wallet wallet = open(pool);
    wallet.conclude(() -> {});
    assertThat(notices).isEmpty();
    assertThat(paid).containsExactly(1_200L);
  }

  @Test
  void prepaysNothingOnTopOfWhatThePoolOnlySays() throws Exception {
    Scripted pool = new Scripted();
    Wallet wallet = open(pool);
    pool.spent = pool.funded - 1_600;
    assertThatThrownBy(() -> wallet.prepay(pool.purse(), 1_600, 100))
        .isInstanceOf(PoolFailure.class)
        .hasMessageContaining("receipts prove only 0");
    assertThatThrownBy(() -> wallet.signMore(pool.purse(), 1_600))
        .isInstanceOf(PoolFailure.class)
        .hasMessageContaining("receipts prove only 0");
    assertThat(paid).isEmpty();
    pool.spent = 0;
    pool.inFlight = pool.funded - 1_600;
    assertThat(wallet.prepay(pool.purse(), 1_600, 100)).isEqualTo(1_700);
    assertThat(paid.getLast()).isEqualTo(1_700);
    assertThat(notices).singleElement().asString().contains("larger --window");
    wallet.signMore(pool.purse(), 50);
    assertThat(paid.getLast()).isEqualTo(50);
  }

  @Test
  void aVoucherThatItNeverSignedIsNoticed() throws Exception {
    Scripted pool = new Scripted();
    pool.signed = 5_000;
    pool.signature = Key.generate().sign(pool.terms.digest(key.address(), 5_000));
    assertThatThrownBy(() -> open(pool))
        .isInstanceOf(PoolFailure.class)
        .hasMessageContaining("that you never signed");
  }

  @Test
  void anotherChainContractOrIdentityIsRefused() throws Exception {
    Scripted pool = new Scripted();
    VoucherTerms right = pool.terms;
    Wallet wallet = open(pool);
    pool.wanted = 400;
    for (VoucherTerms other :
        List.of(
            new VoucherTerms(true, true, 1, ESCROW, Optional.of(ESCROW), right.identity()),
            new VoucherTerms(
                true, true, 31_337, right.identity(), Optional.of(ESCROW), right.identity()),
            new VoucherTerms(true, true, 31_337, ESCROW, Optional.of(ESCROW), ESCROW))) {
      pool.terms = other;
      assertThatThrownBy(() -> wallet.tend(pool.purse(), 1_000))
          .isInstanceOf(PoolFailure.class)
          .hasMessageContaining("all of a sudden");
      assertThatThrownBy(
              () -> Wallet.open(pool, key, poolKey.address(), Optional.of(right), notices::add))
          .isInstanceOf(PoolFailure.class)
          .hasMessageContaining("perseid voucher --accept");
    }
    // An identity that is not the pool's key could be another pool's.
    assertThatThrownBy(() -> open(pool))
        .isInstanceOf(PoolFailure.class)
        .hasMessageContaining("not its own key");
    assertThat(paid).isEmpty();
    Wallet agreed =
        Wallet.open(pool, key, poolKey.address(), Optional.of(pool.terms), notices::add);
    assertThat(agreed.tend(pool.purse(), 1_000)).isEqualTo(new Wallet.Look.Signed(1_000));
  }

  @Test
  void neverMoreThanWasPutIn() throws Exception {
    Scripted pool = new Scripted();
    pool.funded = 700;
    Wallet wallet = open(pool);
    pool.wanted = 500;
    assertThat(wallet.tend(pool.purse(), 1_000)).isEqualTo(new Wallet.Look.Signed(700));
    pool.wanted = 900;
    pool.inFlight = 700;
    assertThat(wallet.tend(pool.purse(), 1_000)).isInstanceOf(Wallet.Look.Lacking.class);
    assertThat(notices).singleElement().asString().contains("put in more");
    assertThatThrownBy(() -> wallet.prepay(pool.purse(), 100, 700))
        .isInstanceOf(PoolFailure.class)
        .hasMessageContaining("prepay less");
  }

  @Test
  void prepaysInSteps() throws Exception {
    Scripted pool = new Scripted();
    Wallet wallet = open(pool);
    assertThat(wallet.prepay(pool.purse(), 1_607, 0)).isEqualTo(1_607);
    assertThat(paid).hasSize(Wallet.RUNGS).isSorted().doesNotHaveDuplicates();
    assertThat(paid.getLast()).isEqualTo(1_607);
    assertThat(paid.getFirst()).isBetween(100L, 101L);
    // So little that the steps are single microcredits.
    paid.clear();
    pool.spent = 1_607;
    pool.provedFromNow = 1_607;
    assertThat(wallet.prepay(pool.purse(), 3, 0)).isEqualTo(1_610);
    assertThat(paid).isSorted().contains(1_610L);
  }

  @Test
  void coversARequestBeforeItIsAsked() throws Exception {
    Scripted pool = new Scripted();
    Wallet wallet = open(pool);
    assertThat(wallet.cover(pool.purse(), 300, 1_000)).isEqualTo(new Wallet.Look.Signed(1_000));
    assertThat(wallet.cover(pool.purse(), 300, 1_000)).isInstanceOf(Wallet.Look.Enough.class);
    pool.inFlight = 900;
    assertThat(wallet.cover(pool.purse(), 300, 1_000)).isInstanceOf(Wallet.Look.Lacking.class);
    assertThat(wallet.cover(pool.purse(), 5_000, 1_000)).isInstanceOf(Wallet.Look.Lacking.class);
    pool.inFlight = 0;
    assertThat(wallet.cover(pool.purse(), 5_000, 1_000)).isEqualTo(new Wallet.Look.Signed(5_000));
  }

  @Test
  void concludesWithWhatWasSpent() throws Exception {
    Scripted pool = new Scripted();
    Wallet wallet = open(pool);
    pool.wanted = 400;
    wallet.tend(pool.purse(), 1_000);
    pool.spent = 640;
    pool.provedFromNow = 640;
    pool.wanted = 0;
    wallet.conclude();
    assertThat(paid).containsExactly(1_000L, 640L);
  }

  @Test
  void concludesWhenTheLastReceiptsComeLate() throws Exception {
    Scripted pool = new Scripted();
    Wallet wallet = open(pool);
    pool.wanted = 400;
    wallet.tend(pool.purse(), 1_000);
    pool.spent = 640;
    pool.wanted = 0;
    // A busy pool: now and then one more of 64.
    int[] looks = {0};
    wallet.conclude(() -> pool.provedFromNow = ++looks[0] % 5 == 0 ? 10 : 0);
    assertThat(looks[0]).isEqualTo(64 * 5);
    assertThat(paid).containsExactly(1_000L, 640L);
    assertThat(notices).isEmpty();
  }

  @Test
  void saysSoIfTheLastReceiptsDoNotComeAndSignsNothing() throws Exception {
    Scripted pool = new Scripted();
    Wallet wallet = open(pool);
    pool.wanted = 400;
    wallet.tend(pool.purse(), 1_000);
    pool.spent = 640;
    pool.provedFromNow = 600;
    pool.wanted = 0;
    int[] looks = {0};
    wallet.conclude(() -> looks[0]++);
    assertThat(looks[0]).isEqualTo(MoneyLimits.QUIET_LOOKS);
    assertThat(paid).containsExactly(1_000L);
    assertThat(notices)
        .singleElement()
        .asString()
        .contains("640 microcredits were spent, and its receipts prove 600 so far");
  }
}

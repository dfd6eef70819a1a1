// The official x402 client against a pool that pays providers on a chain:
//   node x402.mjs <url> <key that pays ahead> <key that signs vouchers> <token> <model>
// Prints for each check "check<TAB>name<TAB>ok" or "check<TAB>name<TAB>what is wrong", and what it
// paid as "paid<TAB>exact|voucher<TAB>amount"; PaidRequestsTest (module node) reads that.
import assert from 'node:assert/strict';
import http from 'node:http';
import OpenAI from 'openai';
import Anthropic from '@anthropic-ai/sdk';
import {wrapFetchWithPayment, x402Client, decodePaymentResponseHeader} from '@x402/fetch';
import {decodePaymentRequiredHeader, encodePaymentSignatureHeader} from '@x402/core/http';
import {ExactEvmScheme} from '@x402/evm/exact/client';
import {privateKeyToAccount} from 'viem/accounts';

const [url, secret, voucherSecret, token, model] = process.argv.slice(2);
const account = privateKeyToAccount(secret);
const saver = privateKeyToAccount(voucherSecret);
const CHAT = url + '/v1/chat/completions';

// Our scheme of cumulative vouchers, as a client writes it for the official package. It needs no
// store: what it owes so far is in each answer, and in a 402 after a voucher that was too low.
class PerseidVoucherScheme {
  scheme = 'perseid-voucher';
  constructor(signer) {
    this.signer = signer;
    this.spent = 0n; // all that is owed, as the pool last said
    this.open = 0n; // the most that what runs may cost
    this.last = 0n; // the highest voucher that was signed
    this.corrected = 0;
    this.schemeHooks = {onPaymentResponse: async ctx => this.answered(ctx)};
  }

  async createPaymentPayload(x402Version, wanted) {
    const amount = BigInt(wanted.amount);
    const next = this.spent + this.open + amount;
    const cumulative = next > this.last ? next : this.last + 1n;
    this.open += amount;
    this.last = cumulative;
    const {name, version, chainId, verifyingContract, pool} = wanted.extra;
    const voucher = {consumer: this.signer.address, pool, cumulative: cumulative.toString()};
    const signature = await this.signer.signTypedData({
      domain: {name, version, chainId: Number(chainId), verifyingContract},
      types: {Voucher: [
        {name: 'consumer', type: 'address'}, {name: 'pool', type: 'address'}, {name: 'cumulative', type: 'uint96'},
      ]},
      primaryType: 'Voucher',
      message: {...voucher, cumulative},
    });
    return {x402Version, payload: {voucher, signature}};
  }

  answered({requirements, settleResponse, paymentRequired}) {
    this.open -= BigInt(requirements.amount);
    if (settleResponse?.success) {
      this.spent = max(this.spent, BigInt(settleResponse.extra?.spentAmount ?? 0));
      return undefined;
    }
    const mine = paymentRequired?.accepts.find(a => a.scheme === this.scheme)?.extra;
    if (mine?.leastCumulative === undefined) return undefined;
    this.spent = max(this.spent, BigInt(mine.spentAmount));
    this.last = max(this.last, BigInt(mine.leastCumulative) - 1n);
    this.corrected++;
    return {recovered: true};
  }
}

const max = (a, b) => a > b ? a : b;

function client(...schemes) {
  const made = new x402Client().setSpendControls({allowedAssets: [{network: 'eip155:*', asset: token}]});
  schemes.forEach(scheme => made.register('eip155:*', scheme));
  return made;
}

async function check(name, action) {
  let result = 'ok';
  try {
    await action();
  } catch (e) {
    result = `${e?.constructor?.name}: ${String(e?.stack ?? e).replaceAll(/\s+/g, ' ').slice(0, 900)}`;
  }
  console.log(`check\t${name}\t${result}`);
}

const post = (max_tokens, more = {}) => ({
  method: 'POST',
  headers: {'content-type': 'application/json'},
  body: JSON.stringify({model, max_tokens, messages: [{role: 'user', content: 'hi'}], ...more}),
});

const settled = response => decodePaymentResponseHeader(response.headers.get('payment-response'));

// ---- exact ---------------------------------------------------------------------------------------
{
  const exact = client(new ExactEvmScheme(account));
  const payingFetch = wrapFetchWithPayment(fetch, exact);

  await check('exact: an answer', async () => {
    const response = await payingFetch(CHAT, post(5));
    assert.equal(response.status, 200, await response.clone().text());
    assert.equal((await response.json()).choices[0].message.content, 'ttttt');
    const paid = settled(response);
    assert.equal(paid.success, true);
    assert.match(paid.transaction, /^0x[0-9a-f]{64}$/);
    assert.match(paid.network, /^eip155:\d+$/);
    assert.equal(paid.payer.toLowerCase(), account.address.toLowerCase());
    const {chargedAmount, returnedAmount, fee} = paid.extra;
    assert.equal(BigInt(chargedAmount) + BigInt(returnedAmount) + BigInt(fee), BigInt(paid.amount));
    assert.ok(BigInt(chargedAmount) > 0n);
    console.log(`paid\texact\t${paid.amount}`);
  });
  await check('exact: a stream', async () => {
    const response = await payingFetch(CHAT, post(7, {stream: true}));
    assert.equal(response.status, 200);
    const paid = settled(response);
    assert.match(paid.transaction, /^0x[0-9a-f]{64}$/);
    const text = await response.text();
    assert.equal(text.match(/"content":"t"/g).length, 7);
    assert.match(text, /data: \[DONE\]/);
    const after = decodePaymentResponseHeader(text.match(/: payment-response (\S+)/)[1]);
    assert.ok(BigInt(after.extra.chargedAmount) > 0n);
    console.log(`paid\texact\t${paid.amount}`);
  });
  await check('exact: by the clients of OpenAI and Anthropic', async () => {
    let amount = 0n;
    const counted = async (input, init) => {
      const response = await payingFetch(input, init);
      amount += BigInt(settled(response).amount);
      return response;
    };
    const openai = new OpenAI({baseURL: url + '/v1', apiKey: 'x402', fetch: counted, maxRetries: 0});
    const messages = [{role: 'user', content: 'hi'}];
    const stream = openai.chat.completions.stream({model, max_tokens: 4, messages});
    assert.equal((await stream.finalChatCompletion()).choices[0].message.content, 'tttt');
    const anthropic = new Anthropic({baseURL: url, apiKey: 'x402', fetch: counted, maxRetries: 0});
    const answer = await anthropic.messages.create({model, max_tokens: 3, messages});
    assert.equal(answer.content[0].text, 'ttt');
    console.log(`paid\texact\t${amount}`);
  });
  await check('exact: a payment pays once', async () => {
    const first = await fetch(CHAT, post(5));
    assert.equal(first.status, 402);
    const payload = await exact.createPaymentPayload(decodePaymentRequiredHeader(first.headers.get('payment-required')));
    const request = post(5);
    request.headers['PAYMENT-SIGNATURE'] = encodePaymentSignatureHeader(payload);
    const [one, two] = await Promise.all([fetch(CHAT, request), fetch(CHAT, request)]);
    assert.deepEqual([one.status, two.status].sort(), [200, 402]);
    console.log(`paid\texact\t${settled(one.status === 200 ? one : two).amount}`);
    const again = await fetch(CHAT, request);
    assert.equal(again.status, 402);
    assert.match((await again.json()).error.message, /used already, and pays once/);
    assert.equal(decodePaymentRequiredHeader(again.headers.get('payment-required')).error, 'invalid_exact_evm_nonce_already_used');
  });
}

// ---- vouchers ------------------------------------------------------------------------------------
{
  const vouchers = new PerseidVoucherScheme(saver);
  const payingFetch = wrapFetchWithPayment(fetch, client(vouchers, new ExactEvmScheme(account)));
  const pay = async (tokens, more) => {
    const response = await payingFetch(CHAT, post(tokens, more));
    assert.equal(response.status, 200, await response.clone().text());
    const paid = settled(response);
    assert.equal(paid.success, true);
    assert.equal(paid.transaction, '');
    return [response, paid];
  };

  await check('voucher: one signature a request', async () => {
    let spent = 0n;
    for (let i = 1; i <= 5; i++) {
      const [response, paid] = await pay(i);
      assert.equal((await response.json()).choices[0].message.content, 't'.repeat(i));
      const charge = BigInt(paid.extra.chargedAmount);
      assert.ok(charge > 0n);
      assert.equal(BigInt(paid.extra.spentAmount), spent + charge);
      spent += charge;
    }
    assert.equal(vouchers.spent, spent);
    assert.equal(vouchers.corrected, 0);
    console.log(`paid\tvoucher\t${spent}`);
  });
  await check('voucher: a stream, and what it cost', async () => {
    const before = vouchers.spent;
    const [response, paid] = await pay(6, {stream: true});
    const text = await response.text();
    const after = decodePaymentResponseHeader(text.match(/: payment-response (\S+)/)[1]);
    const charge = BigInt(after.extra.chargedAmount);
    assert.equal(BigInt(after.extra.spentAmount), before + charge);
    // The headers leave with the first part of the answer; of a short one all may have come by then.
    assert.ok([before, before + charge].includes(BigInt(paid.extra.spentAmount)), paid.extra.spentAmount);
    vouchers.spent = before + charge;
    console.log(`paid\tvoucher\t${charge}`);
  });
  await check('voucher: what a stream cost is in its trailer', async () => {
    const before = vouchers.spent;
    const first = await fetch(CHAT, post(6, {stream: true}));
    const required = decodePaymentRequiredHeader(first.headers.get('payment-required'));
    const wanted = required.accepts.find(a => a.scheme === 'perseid-voucher');
    const {payload} = await vouchers.createPaymentPayload(2, wanted);
    const sent = {x402Version: 2, accepted: wanted, resource: required.resource, payload};
    const trailers = await new Promise((resolve, reject) => {
      const {body} = post(6, {stream: true});
      const request = http.request(CHAT, {method: 'POST', headers: {
        'content-type': 'application/json', 'payment-signature': encodePaymentSignatureHeader(sent),
      }}, response => {
        response.resume();
        response.on('end', () => resolve(response.trailers));
      });
      request.on('error', reject);
      request.end(body);
    });
    const after = decodePaymentResponseHeader(trailers['payment-response']);
    vouchers.answered({requirements: wanted, settleResponse: after});
    assert.equal(vouchers.spent, before + BigInt(after.extra.chargedAmount));
    console.log(`paid\tvoucher\t${after.extra.chargedAmount}`);
  });
  await check('voucher: many at once', async () => {
    const before = vouchers.spent;
    const answers = await Promise.all([3, 4, 5, 6, 7, 8].map(tokens => pay(tokens)));
    const charges = answers.reduce((sum, [, paid]) => sum + BigInt(paid.extra.chargedAmount), 0n);
    assert.equal(vouchers.spent, before + charges);
    console.log(`paid\tvoucher\t${charges}`);
  });
  await check('voucher: a client that forgot everything is told where it stands', async () => {
    const fresh = new PerseidVoucherScheme(saver);
    const response = await wrapFetchWithPayment(fetch, client(fresh))(CHAT, post(2));
    assert.equal(response.status, 200, await response.clone().text());
    assert.equal(fresh.corrected, 1);
    const paid = settled(response);
    assert.equal(fresh.spent, vouchers.spent + BigInt(paid.extra.chargedAmount));
    console.log(`paid\tvoucher\t${paid.extra.chargedAmount}`);
  });
}

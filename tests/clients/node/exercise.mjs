// Every method of `@polymarket/clob-client-v2` against a running simulator.
//
// Run by `tests/integration/test_client_node.py`: node exercise.mjs URL URL_OF_PROTOCOL_V2. Prints one
// JSON object: what each method's check said, the client's public methods, and those left out with the
// reason. The client takes its host as a parameter; nothing of it is changed.

import assert from "node:assert/strict";
import { Wallet } from "@ethersproject/wallet";
import { AssetType, ClobClient, OrderType, Side } from "@polymarket/clob-client-v2";

const LEFT_OUT = {};
const BUILDER = "0x" + "ab".repeat(32);
const DAY = "2026-11-01";
const PATIENCE_MS = 60_000;
const [url, urlV2] = process.argv.slice(2);
const makerWallet = new Wallet("0x" + "71".repeat(32));
const takerWallet = new Wallet("0x" + "72".repeat(32));

const json = async (path) => (await fetch(url + path)).json();

async function until(read) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await read();
    if (found && (!Array.isArray(found) || found.length)) return found;
    assert(Date.now() < deadline, "nothing came");
    await new Promise((done) => setTimeout(done, 100));
  }
}

async function signedIn(signer, host = url) {
  const first = new ClobClient({ host, chain: 137, signer });
  const creds = await first.createOrDeriveApiKey();
  return new ClobClient({ host, chain: 137, signer, creds, throwOnError: true });
}

const maker = await signedIn(makerWallet);
const taker = await signedIn(takerWallet);
const events = await json("/events?series_id=10192&closed=false&limit=100");
const now = await maker.getServerTime();
const begun = events.filter((event) => Date.parse(event.startTime) / 1000 <= now);
const coming = events.filter((event) => Date.parse(event.startTime) / 1000 > now);
const market = coming[1].markets[0];
const condition = market.conditionId;
const [up, down] = JSON.parse(market.clobTokenIds);
const [busy] = JSON.parse(begun[0].markets[0].clobTokenIds);
const bid = (tokenID, price, size) => ({ tokenID, price, size, side: Side.BUY });
const kept = {};

const checks = {
  // --- the server and the markets ---
  getOk: async () => assert.equal(await maker.getOk(), "OK"),
  getVersion: async () => assert.equal(await maker.getVersion(), 2),
  getServerTime: async () => assert(Number.isInteger(await maker.getServerTime())),
  getMarkets: async () => {
    const page = await maker.getMarkets();
    assert.equal(page.next_cursor, "LTE=");
    assert.equal(page.count, page.data.length);
    const found = page.data.find((one) => one.condition_id === condition);
    assert.match(found.question, / ET$/);
    assert.equal(found.tokens.length, 2);
    assert((await maker.getMarkets("LTE=")).data.length === 0);
  },
  getSimplifiedMarkets: async () => {
    const { data } = await maker.getSimplifiedMarkets();
    const found = data.find((one) => one.condition_id === condition);
    assert.deepEqual(found.tokens.map((one) => one.token_id), [up, down]);
    assert.equal(found.question, undefined);
  },
  getSamplingMarkets: async () => {
    const { data } = await maker.getSamplingMarkets();
    assert(data.every((one) => one.accepting_orders && one.question));
  },
  getSamplingSimplifiedMarkets: async () => {
    const { data } = await maker.getSamplingSimplifiedMarkets();
    assert(data.some((one) => one.condition_id === condition));
  },
  getMarket: async () => {
    const found = await maker.getMarket(condition);
    assert.equal(found.market_slug, market.slug);
    assert.equal(found.end_date_iso, market.endDate);
    assert.equal(found.question, market.question);
  },
  getClobMarketInfo: async () => {
    const found = await maker.getClobMarketInfo(condition);
    assert.deepEqual(found.t.map((one) => one.t), [up, down]);
  },
  // --- books and prices ---
  getOrderBook: async () => {
    kept.book = await maker.getOrderBook(busy);
    assert(kept.book.bids.length && kept.book.asks.length);
  },
  getOrderBookHash: async () => {
    const hash = kept.book.hash;
    assert.match(await maker.getOrderBookHash({ ...kept.book }), /^[0-9a-f]{40}$/);
    assert.match(hash, /^[0-9a-f]{40}$/);
  },
  getOrderBooks: async () => {
    const books = await maker.getOrderBooks([{ token_id: up }, { token_id: down }]);
    assert.deepEqual(books.map((one) => one.asset_id), [up, down]);
  },
  getTickSize: async () => assert.equal(await maker.getTickSize(up), "0.01"),
  getNegRisk: async () => assert.equal(await maker.getNegRisk(up), false),
  getFeeRateBps: async () => assert.equal(await maker.getFeeRateBps(up), 1000),
  getFeeExponent: async () => assert.equal(await maker.getFeeExponent(busy), 1),
  getMidpoint: async () => assert(Number((await maker.getMidpoint(busy)).mid) > 0),
  getMidpoints: async () =>
    assert.deepEqual(Object.keys(await maker.getMidpoints([{ token_id: busy }])), [busy]),
  getPrice: async () => {
    const [low, high] = [await maker.getPrice(busy, "BUY"), await maker.getPrice(busy, "SELL")];
    assert(Number(low.price) < Number(high.price));
  },
  getPrices: async () => {
    const found = await maker.getPrices([{ token_id: busy, side: "BUY" }]);
    assert.deepEqual(Object.keys(found[busy]), ["BUY"]);
  },
  getSpread: async () => assert(Number((await maker.getSpread(busy)).spread) > 0),
  getSpreads: async () =>
    assert.deepEqual(Object.keys(await maker.getSpreads([{ token_id: busy }])), [busy]),
  getPricesHistory: async () => {
    const read = async () => (await maker.getPricesHistory({ market: busy, interval: "1h" })).history;
    assert((await until(read)).every((one) => one.p > 0 && one.p < 1));
  },
  calculateMarketPrice: async () =>
    assert((await maker.calculateMarketPrice(busy, Side.BUY, 5)) > 0),
  // --- keys ---
  createApiKey: async () => {
    await assert.rejects(maker.createApiKey(), /Could not create api key/);
    const other = new ClobClient({ host: url, chain: 137, signer: makerWallet });
    kept.second = await other.createApiKey(7);
    assert(kept.second.key && kept.second.key !== maker.creds.key);
  },
  deriveApiKey: async () => assert.deepEqual(await maker.deriveApiKey(), maker.creds),
  createOrDeriveApiKey: async () => {
    const other = new ClobClient({ host: url, chain: 137, signer: makerWallet });
    assert.deepEqual(await other.createOrDeriveApiKey(), maker.creds);
  },
  getApiKeys: async () => {
    const { apiKeys } = await maker.getApiKeys();
    assert.deepEqual(new Set(apiKeys), new Set([maker.creds.key, kept.second.key]));
  },
  getClosedOnlyMode: async () => assert.equal((await maker.getClosedOnlyMode()).closed_only, false),
  createReadonlyApiKey: async () => {
    kept.readonly = (await maker.createReadonlyApiKey()).apiKey;
    assert.match(kept.readonly, /^[0-9a-f-]{36}$/);
  },
  getReadonlyApiKeys: async () =>
    assert.deepEqual(await maker.getReadonlyApiKeys(), [kept.readonly]),
  deleteReadonlyApiKey: async () => {
    assert.equal(await maker.deleteReadonlyApiKey(kept.readonly), true);
    assert.deepEqual(await maker.getReadonlyApiKeys(), []);
  },
  createBuilderApiKey: async () => {
    kept.builder = await maker.createBuilderApiKey();
    assert(kept.builder.key && kept.builder.secret && kept.builder.passphrase);
  },
  getBuilderApiKeys: async () => {
    const [key] = await maker.getBuilderApiKeys();
    assert.equal(key.key, kept.builder.key);
    assert.equal(key.revokedAt, undefined);
  },
  revokeBuilderApiKey: async () => {
    await maker.revokeBuilderApiKey();
    assert((await maker.getBuilderApiKeys())[0].revokedAt);
  },
  // --- orders ---
  createAndPostOrder: async () => {
    kept.ids = [];
    for (const token of [up, down]) {
      const rested = await maker.createAndPostOrder(bid(token, 0.3, 10), {}, OrderType.GTC, true);
      assert.equal(rested.status, "live");
      kept.ids.push(rested.orderID);
    }
  },
  getOrder: async () => assert.equal((await maker.getOrder(kept.ids[0])).price, "0.3"),
  getOpenOrders: async () => {
    assert.deepEqual((await maker.getOpenOrders()).map((one) => one.id), kept.ids);
    const one = await maker.getOpenOrders({ asset_id: down });
    assert.deepEqual(one.map((row) => row.id), [kept.ids[1]]);
  },
  getPreMigrationOrders: async () => assert.deepEqual(await maker.getPreMigrationOrders(), []),
  createOrder: async () => {
    kept.signed = [];
    for (const [token, price] of [[up, 0.2], [down, 0.21], [up, 0.75]])
      kept.signed.push(await maker.createOrder(bid(token, price, 5)));
  },
  postOrder: async () => {
    const rested = await maker.postOrder(kept.signed[0], OrderType.GTC, true);
    assert.equal(rested.status, "live");
    await assert.rejects(maker.postOrder(kept.signed[2], OrderType.GTC, true), /crosses book/);
  },
  postOrders: async () => {
    const batch = kept.signed.slice(1).map((order) => ({ order, orderType: OrderType.GTC }));
    const [rested, crossed] = await maker.postOrders(batch, true);
    assert.equal(rested.status, "live");
    assert.match(crossed.errorMsg, /crosses book/);
  },
  createExchangeV3OrderFromAmounts: async () => {
    const client = await signedIn(makerWallet, urlV2);
    const listed = await (await fetch(urlV2 + "/markets?limit=3&series_id=10192")).json();
    const order = await client.createExchangeV3OrderFromAmounts({
      tokenID: listed[2].positionIds[0],
      makerAmount: "3000000",
      takerAmount: "10000000",
      side: Side.BUY,
    });
    assert.equal((await client.postOrder(order, OrderType.GTC, true)).status, "live");
    assert.equal((await client.getOpenOrders())[0].price, "0.3");
  },
  isOrderScoring: async () =>
    assert.deepEqual(await maker.isOrderScoring({ order_id: kept.ids[0] }), { scoring: false }),
  areOrdersScoring: async () =>
    assert.deepEqual(await maker.areOrdersScoring({ orderIds: kept.ids.slice(0, 1) }), {
      [kept.ids[0]]: false,
    }),
  cancelOrder: async () => {
    const { canceled } = await maker.cancelOrder({ orderID: kept.ids[0] });
    assert.deepEqual(canceled, [kept.ids[0]]);
  },
  cancelOrders: async () => {
    const { canceled } = await maker.cancelOrders([kept.ids[1]]);
    assert.deepEqual(canceled, [kept.ids[1]]);
  },
  cancelMarketOrders: async () =>
    assert.equal((await maker.cancelMarketOrders({ asset_id: down })).canceled.length, 1),
  cancelAll: async () => assert.equal((await maker.cancelAll()).canceled.length, 1),
  postHeartbeat: async () => {
    const first = (await maker.postHeartbeat()).heartbeat_id;
    assert.notEqual((await maker.postHeartbeat(first)).heartbeat_id, first);
    await assert.rejects(maker.postHeartbeat(first), /Invalid Heartbeat ID/);
  },
  // --- fills ---
  createMarketOrder: async () => {
    const order = { ...bid(up, 0.55, 20), builderCode: BUILDER };
    kept.made = (await maker.createAndPostOrder(order)).orderID;
    kept.marketOrder = await taker.createMarketOrder({
      tokenID: down,
      amount: 5,
      side: Side.BUY,
      orderType: OrderType.FAK,
    });
    const taken = await taker.postOrder(kept.marketOrder, OrderType.FAK);
    assert.equal(taken.success, true);
  },
  createAndPostMarketOrder: async () => {
    const order = { tokenID: down, amount: 2, side: Side.BUY };
    const taken = await taker.createAndPostMarketOrder(order, {}, OrderType.FOK);
    assert.equal(taken.success, true);
  },
  getTrades: async () => {
    const trades = await until(() => maker.getTrades({ market: condition }));
    assert(trades.every((one) => one.trader_side === "MAKER"));
    assert.equal(trades[0].maker_orders[0].order_id, kept.made);
  },
  getTradesPaginated: async () => {
    const page = await maker.getTradesPaginated({ market: condition });
    assert.equal(page.count, page.trades.length);
    assert(page.count >= 1);
  },
  getLastTradePrice: async () => {
    const read = async () => {
      const last = await maker.getLastTradePrice(down);
      return last.side && last;
    };
    assert.deepEqual(await until(read), { price: "0.45", side: "BUY" });
    assert.deepEqual(await maker.getLastTradePrice(up), { price: "0.55", side: "SELL" });
  },
  getLastTradesPrices: async () => {
    const rows = await maker.getLastTradesPrices([{ token_id: up }, { token_id: down }]);
    assert.deepEqual(rows.map((one) => one.side), ["SELL", "BUY"]);
  },
  getMarketTradesEvents: async () => {
    const [event] = await maker.getMarketTradesEvents(condition);
    assert.equal(event.market.slug, market.slug);
    assert.equal(event.outcome, "Down");
  },
  getBuilderTrades: async () => {
    const found = await until(async () => {
      const page = await maker.getBuilderTrades({ builder_code: BUILDER });
      return page.trades.filter((one) => one.owner === maker.creds.key);
    });
    assert.equal(found[0].assetId, up);
    assert.equal(found[0].tradeType, "MAKER");
  },
  getBalanceAllowance: async () => {
    const cash = await maker.getBalanceAllowance({ asset_type: AssetType.COLLATERAL });
    assert(Number(cash.balance) > 0);
  },
  updateBalanceAllowance: async () => {
    const params = { asset_type: AssetType.CONDITIONAL, token_id: up };
    assert(Number((await maker.updateBalanceAllowance(params)).balance) > 0);
  },
  getNotifications: async () => {
    kept.notices = (await maker.getNotifications()).filter((one) => one.type === 2);
    const { payload } = kept.notices[0];
    assert.equal(payload.order_id, kept.made);
    assert.equal(payload.outcome_index, 0);
  },
  dropNotifications: async () => {
    await maker.dropNotifications({ ids: kept.notices.map((one) => String(one.id)) });
    const left = await maker.getNotifications();
    assert(left.every((one) => one.type !== 2));
  },
  // --- rewards ---
  getCurrentRewards: async () =>
    assert((await maker.getCurrentRewards()).some((one) => one.condition_id === condition)),
  getRawRewardsForMarket: async () => {
    const [row] = await maker.getRawRewardsForMarket(condition);
    assert.equal(row.question, market.question);
    assert.deepEqual(row.tokens.map((one) => one.token_id), [up, down]);
  },
  getEarningsForUserForDay: async () =>
    assert.deepEqual(await maker.getEarningsForUserForDay(DAY), []),
  getTotalEarningsForUserForDay: async () =>
    assert.deepEqual(await maker.getTotalEarningsForUserForDay(DAY), []),
  getUserEarningsAndMarketsConfig: async () =>
    assert.deepEqual(await maker.getUserEarningsAndMarketsConfig(DAY), []),
  getRewardPercentages: async () => assert.deepEqual(await maker.getRewardPercentages(), {}),
  // --- the end ---
  deleteApiKey: async () => {
    await taker.deleteApiKey();
    await assert.rejects(taker.getApiKeys(), /Unauthorized/);
  },
};

const outcomes = {};
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    outcomes[name] = "ok";
  } catch (error) {
    outcomes[name] = String(error?.stack ?? error);
  }
}
// what TypeScript calls private is still visible here
const PRIVATE = new Set([
  "constructor",
  "canL1Auth",
  "canL2Auth",
  "isBuilderOrder",
  "getBuilderTakerFeeRate",
  "adjustBuyAmountForBalance",
  "ensureBuilderFeeRateCached",
  "resolveVersion",
  "throwIfError",
  "waitForResolvedTrades",
  "resolveTransactionsHashes",
  "get",
  "post",
  "del",
]);
const methods = Object.getOwnPropertyNames(ClobClient.prototype).filter(
  (name) => !name.startsWith("_") && !PRIVATE.has(name),
);
console.log(JSON.stringify({ outcomes, methods, left_out: LEFT_OUT }));

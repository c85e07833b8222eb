// What the scripts for Salesforce share: a signed JWT, a connection, and an order to work on.
import { createSign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import jsforce from 'jsforce';
import { far } from './far.mjs';

export const settings = far.salesforce;
export const privateKey = readFileSync(settings.privateKeyFile, 'utf8');
export const version = settings.apiVersion.replace('v', '');
export const eventTopic = '/event/OrderProvisionRequested__e';
export const changeTopic = '/data/OrderChangeEvent';

const JWT_GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

export function assertion(changes = {}, key = privateKey) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const unsigned = `${encode({ alg: 'RS256' })}.${encode({
    iss: settings.clientID,
    sub: settings.username,
    aud: settings.loginURL,
    exp: Math.floor(Date.now() / 1000) + 180,
    ...changes,
  })}`;
  return `${unsigned}.${createSign('RSA-SHA256').update(unsigned).sign(key).toString('base64url')}`;
}

// connect logs in as the operator does.
export async function connect(options = {}, signed = assertion()) {
  const conn = new jsforce.Connection({ loginUrl: settings.loginURL, version, ...options });
  await conn.authorize({ grant_type: JWT_GRANT, assertion: signed });
  return conn;
}

let serial = 0;
export const unique = (what) => `${what} ${process.pid}-${Date.now()}-${++serial}`;

// priceBookEntry makes a product with a price in the standard price book.
export async function priceBookEntry(conn, fields = {}) {
  const book = await conn.query('SELECT Id FROM Pricebook2 WHERE IsStandard = true');
  const name = unique('Product');
  const product = await conn.sobject('Product2').create({ Name: name, ProductCode: name, StockKeepingUnit: name, IsActive: true, ...fields });
  const entry = await conn.sobject('PricebookEntry').create({
    Pricebook2Id: book.records[0].Id, Product2Id: product.id, UnitPrice: 4800, IsActive: true,
  });
  return { bookID: book.records[0].Id, productID: product.id, entryID: entry.id, name };
}

// newOrder makes an account, and an order with lines, in the state Draft.
export async function newOrder(conn, lines = 2, fields = {}) {
  const account = await conn.sobject('Account').create({ Name: unique('Account'), WH_Account__c: '#4711 - Conformance' });
  const entry = await priceBookEntry(conn, { WHMCS_Product_Id__c: 181, Billing_Cycle__c: 'Monthly' });
  const order = await conn.sobject('Order').create({
    AccountId: account.id, EffectiveDate: '2026-11-01', Status: 'Draft', Pricebook2Id: entry.bookID, ...fields,
  });
  const items = [];
  for (let start = 0; start < lines; start += 200) {
    const rows = Array.from({ length: Math.min(200, lines - start) }, (_, i) => ({
      OrderId: order.id, PricebookEntryId: entry.entryID, Quantity: start + i + 1, UnitPrice: 4800,
    }));
    for (const saved of await conn.sobject('OrderItem').create(rows)) items.push(saved.id);
  }
  return { orderID: order.id, accountID: account.id, items, ...entry };
}

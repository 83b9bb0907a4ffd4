# SPDX-License-Identifier: Apache-2.0
"""A ledger in SQLite, for programs_test.py:

    ledger.py FILE WRITER COUNT PRAGMA...     book transfers; prints the number of each that is durable
    ledger.py FILE check                      prints {writer: transfers}, or what is wrong

An account's balance is the sum of what was transferred to it, and the transfers of a writer are numbered without gaps,
so that half a transaction or a lost one shows."""
import json
import random
import sqlite3
import sys

ACCOUNTS = 50
SCHEMA = '''
CREATE TABLE IF NOT EXISTS account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS transfer (writer INTEGER, number INTEGER, giver INTEGER, taker INTEGER, amount INTEGER, note BLOB,
                                     PRIMARY KEY (writer, number)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_giver ON transfer (giver, amount);
'''


def connect(path, pragmas):
    db = sqlite3.connect(path, timeout=60, isolation_level=None)
    for pragma in pragmas:
        db.execute(f'PRAGMA {pragma}').fetchall()
    return db


def book(db, writer, count):
    db.execute('BEGIN IMMEDIATE')
    for statement in SCHEMA.split(';'):
        db.execute(statement)
    db.executemany('INSERT OR IGNORE INTO account VALUES (?, 0)', [(i,) for i in range(ACCOUNTS)])
    first = db.execute('SELECT coalesce(max(number) + 1, 0) FROM transfer WHERE writer = ?', (writer,)).fetchone()[0]
    db.execute('COMMIT')
    dice = random.Random(writer * 1000003 + first)
    number = first
    while number < first + count:
        giver, taker, amount = dice.randrange(ACCOUNTS), dice.randrange(ACCOUNTS), dice.randrange(1000)
        db.execute('BEGIN IMMEDIATE')
        db.execute('INSERT INTO transfer VALUES (?, ?, ?, ?, ?, ?)',
                   (writer, number, giver, taker, amount, dice.randbytes(dice.choice([0, 100, 3000, 20000]))))
        db.execute('UPDATE account SET balance = balance - ? WHERE id = ?', (amount, giver))
        db.execute('UPDATE account SET balance = balance + ? WHERE id = ?', (amount, taker))
        if number % 20 == 19:
            db.execute("UPDATE transfer SET note = '' WHERE writer = ? AND number < ?", (writer, number - 50))
        if dice.randrange(40) == 0:
            db.execute('ROLLBACK')
            continue
        db.execute('COMMIT')
        print(number, flush=True)
        number += 1


def check(db):
    said = [row[0] for row in db.execute('PRAGMA integrity_check')]
    if said != ['ok']:
        return '; '.join(said)
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'transfer'").fetchone():
        return {}
    balances = dict(db.execute('SELECT id, balance FROM account'))
    counts = {}
    for writer, number, giver, taker, amount in db.execute(
            'SELECT writer, number, giver, taker, amount FROM transfer ORDER BY writer, number'):
        if number != counts.get(writer, 0):
            return f'transfer {counts.get(writer, 0)} of writer {writer} is missing'
        counts[writer] = number + 1
        balances[giver] += amount
        balances[taker] -= amount
    wrong = [account for account, rest in balances.items() if rest]
    return f'the balances of {wrong} are not the sums of their transfers' if wrong else counts


def main():
    if sys.argv[2] == 'check':
        print(json.dumps(check(connect(sys.argv[1], []))))
    else:
        book(connect(sys.argv[1], sys.argv[4:]), int(sys.argv[2]), int(sys.argv[3]))


main()

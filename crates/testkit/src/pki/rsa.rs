//! RSA keys for throw-away certificates, also of the kinds that no library signs with: exponent 3, or too short.
//!
//! They are public and protect nothing.

use num_bigint::BigUint;
use ring::digest;
use sha1::{Digest as _, Sha1};

use super::{
    certificate::Hash,
    der::{bits, element, integer, oid, sequence},
};

/// A key pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RsaKey {
    modulus: &'static str,
    exponent: &'static [u8],
    private: &'static str,
}

impl RsaKey {
    /// Returns the description of the public key.
    pub fn public(&self) -> Vec<u8> {
        let numbers = sequence(&[integer(&number(self.modulus).to_bytes_be()), integer(self.exponent)]);
        let algorithm = sequence(&[oid("1.2.840.113549.1.1.1"), element(0x05, &[])]);
        sequence(&[algorithm, bits(&numbers)])
    }

    /// Signs as PKCS #1 version 1.5 has it.
    pub fn sign(&self, message: &[u8], hash: Hash) -> Vec<u8> {
        let (identifier, digest) = match hash {
            Hash::Sha1 => ("1.3.14.3.2.26", Sha1::digest(message).to_vec()),
            Hash::Sha256 => ("2.16.840.1.101.3.4.2.1", of(&digest::SHA256, message)),
            Hash::Sha384 => ("2.16.840.1.101.3.4.2.2", of(&digest::SHA384, message)),
        };
        let algorithm = sequence(&[oid(identifier), element(0x05, &[])]);
        let info = sequence(&[algorithm, element(0x04, &digest)]);
        let length = self.modulus.len() / 2;
        let mut padded = vec![0xff; length];
        padded[..2].copy_from_slice(&[0, 1]);
        padded[length - info.len() - 1] = 0;
        padded[length - info.len()..].copy_from_slice(&info);
        let signature = BigUint::from_bytes_be(&padded).modpow(&number(self.private), &number(self.modulus));
        let signature = signature.to_bytes_be();
        [vec![0; length - signature.len()], signature].concat()
    }
}

fn of(algorithm: &'static digest::Algorithm, message: &[u8]) -> Vec<u8> {
    digest::digest(algorithm, message).as_ref().to_vec()
}

fn number(digits: &str) -> BigUint {
    BigUint::parse_bytes(digits.as_bytes(), 16).expect("the keys below are written in hexadecimal digits")
}

/// As production's root has it: 4096 bits and the exponent 3.
pub const PRODUCTION_LIKE: RsaKey = RsaKey {
    modulus: "add73c2312eeb1844e3468fa9245acbbc075e86ebe37e9f3248de4899c6551ec912b6e519e1026774306d49f717009c0\
         5e6893edb3d6719e4a2ef03925e79de54540d87801f872640a72e12ed33ad0f0ab23276664801ad9723aaa413ff047c6\
         312325f97fe399a5d23b917efac79aacb3c3316468cca0e9f18c86c4133e424eec515a196a78a4f90b2f864d6bbd4ebe\
         ef02490c8bee6e4090279a5127d25261b70ccb4b9a1db624ffbcd58c7499b7b8085c36444a719b13d80a36d89b71eb8f\
         6058be262f61b6068068818ef3cdd4b6373da904076a6d6583282c10a13bd8b1df55233575c13bd3f711f09db689d6e1\
         5b1369e64700fe1658f782ebbcf271991105b6f65bea5e085deaa0917edddbd4574e7e04ad0fa175b605c47d6c32df40\
         9ab44d83991373de3e586c6598986703a6d235ababe2d5a4de52d1567eeeeab2ceda62385dc9c3e2775da68b382894c0\
         a00c49cad7a858afff9409d897b53a944154c8367b2fb14d90862a468fb60b3477811c37b43f1a24c51fc6d37db89526\
         aeda91eace1cd19a179813655d6d5658a0f9d10410cf27f591c132826f2d122d5bff2e95ed64a424b0354874a8ca13cc\
         3d5e0ff9222d6d18796feecb39c377ac7f38386b526b7ee20a6962b162e002831951c81662b34b348a8e03a99282d8d1\
         e7e5243e67303167447dcd7e86948842963c45b746b47d7dce51f776cde87315",
    exponent: &[3],
    private: "1cf934b08327c840b7b366d46db64774a013a6bd1fb3fc5330c250c19a10e2fcc2dc9262efad5bbe8b2bce1a92e801a0\
         0fbc18a79df912efb707d2b430fbefa63635796955a9686601bdd0327889cd7d71db313bbb6aaf243db471b58aa80bf6\
         5d85dba99550999ba309ed9529cbef1cc8a0883b66ccc57c52ecc120addfb5b7d20d8f043c6970d42c87ebb791f4e275\
         27d5b6d76ca7bd0ac2b14462dbf86310492ccc8c99af9e5b7ff4ce42136ef3f40164b3b60c6844834eac5e796f3da742\
         900eca5bb29049011566c0427df7a373b3df9c2b5691bce64086b202c589f972fa8e3088e8f589f8a92da81a4916f925\
         8f2de6fbb6802a590ed3eb274a286843e71c8cb3fb6b0783cd0f79798b3be3ec27ab4356331bd34413b1f79b85ebc5c8\
         10ba36a49ed52cd751ae4e13ed63f931c136ac3a4040c77f0d1fe6d76145964bfd67d9e7a70baae7c0a568638c5bf73d\
         f91e484aa04a936fefa6261055e1dcbc93d1c3b2dc7efcf2b5c7b0022b3cda3fdbfd11c390900dbd4fe4658ead9e966f\
         6ef706831b46d50846b7dd4aa0a86d3f239fa2d8a62657c0240e9b6f37e7d93495a0e9b93c05b5b54a33af139e3d00a7\
         5163f8cdadcef95c0e426fa9c81fd0ac50fe73a362b6fd9b799ed6f3bff0f683a0b492acfc086c85c4e803d0fa0ee6f6\
         543002d5d11d75d360fb2674ae21249bc5352f7f6e836cee1f36168a18466e3d",
};

/// Long enough.
pub const STRONG: RsaKey = RsaKey {
    modulus: "ca6f6df784a2444566594649c2eab7de733be71c9a971a0b15d14c8b198ab9b778cb1e15d880bc4281f97d6d554d690a\
         6367da92de89b98a78a8e801de0ad2fad53d340899d190e655b427a05208cfcf5f7369dfc64a0cd805a34823c8ee6013\
         fbfdac61dd194e92965f8aa212534e7761feeabfe90769621326e2807809c790044b55401d77d3640f1736b060ed6fe0\
         57469e88d10186298db1526ea01191542891c93a2eddcda8b8ec64abb689b9a6ea83dc28ec5481750d6f23223c148171\
         9c9f64afff57aefd1843571392492e47bf8901c10b5a9cb3b6534014f6524f0894188aa1b961013efa2b2801a8dd934a\
         fe848547d5db59c3eb0497d40c9555d9",
    exponent: &[1, 0, 1],
    private: "122a027381b6afaa8c7ef9341825c87ed0d730ab1be1f007cb9adea3e294548ab66f7f51157ea3a5d214c960dc951816\
         430a280e22a2b7ffc948da9c8448735ae77458ed66a3ebbd0736a591989acacec03152702e5229a9de83a2aef7521053\
         eab9fdd4402b0ba65290db1724cecdcd1f81689df4b2620dd74b176ad09a8c09e282e46002582fa32b04d7043b8d6b17\
         28dee8a2bdbab3fa1a66a30d47c9eebf9b8253b156d35866ca7ca2d160a3bbfe3572633fdf65cee312cd1aa5b625858f\
         887b08230fb962e2971cfb32ed66e2a133493ec48b6f7fc8e402c383cc1d081867ab6ed6e3d8d4baa02eae2c23c18a5d\
         46b381d556ffd3e49ad36e45fa2a81bb",
};

/// Another one.
pub const STRONG_TOO: RsaKey = RsaKey {
    modulus: "e05f323c5961fcc568057825045cdd8ce3760ac810f96a881df21d3a371592db09959131d3dd60a1941039ba7f6200f5\
         a8ad49597abbaad6a83dacb41ca59ff8ab7134f860ce597384bc54ca1c975c1f4a3e71d00589377dd6f9b8424dfebfdc\
         53825aee9187acdaf9ddf9236c6c25c33b2f7f902e2287b4938bf9cbb5cd1cc8bf075418db06f700b0d6dd4fac03ec58\
         807e0e53d0bd51fffc8c624f7b09eb30826c72ec0620619597743c0f1c4315a3b462c7ca22313c5eea2adf84a66ec5a4\
         6d2ed04249b19c343a488958e2d0faea72b5e02ac0ff1b6f37aeea9c1d5b84aa4d8b95184207ea00c01b540f6397ad5e\
         e06ea0c6ffc338954cc97f617833655b",
    exponent: &[1, 0, 1],
    private: "0ccde1f407b5cbd30828a7be950d27a78ea381e200f5fada61bb1b67e314dc189be7692dcac56b6a4d24cfe690b66b0f\
         99dca9beed7e2035b7cc2d3aea1799957b532e8eae17988b3b1bf44ac46eeed6ea49bdfcfd13e392ceddd9620f496671\
         90627406015018d13649309a90e96b0e452664c5399cc6d9cb41c5b396606a2fff329e641085ef340034d1337ad3a267\
         47d5b695f8d475dce55d99a8c1fa598dba179d86abf534dd2562185feb10d5442275ab5e099d0ebdc59eaad6c16966ce\
         558a19d8aed50ec48c041cc1b0a60e087dcb4709f67f8f0d52dde4e6c6d0939e5e6c30ea1bc42a23fd39f1b0d963a64d\
         3a60dc45b9cc8a6307436fbce380e6e1",
};

/// Too short to be taken.
pub const SHORT: RsaKey = RsaKey {
    modulus: "b782261decfd471227e66a55eb7598ee353b3d63a21501275d60ee0386b96a2878bc0e73921a3eaf79022608c8bc6182\
         cdfc6c07a5067fa99cc6b991980a871512a620944e63f4393ca93b96aac0067b45ff42994971f98d23703013136f213f\
         b501caf5fe1fe7e5ed5e40ee62d393c666d3632a18d6f0412ef3853ab4db0b9d",
    exponent: &[1, 0, 1],
    private: "0491f198cdfecaea302bedc79dbca068628efe3154164bb1ba139c4d0d1d383375d39e76eaa029c405c39a336b670af5\
         0a52e4ff73bd9aa00b68af90cfbcee0c3f808de95731fb6effcc6969a2cb74003e5b44d492bd7ac76cda46764f7a4bb3\
         b4b246bafdb9d6c9e1818512bef0540269176556deb6481b170a46109e21f649",
};

/// One that no authority has.
pub const STRANGER: RsaKey = RsaKey {
    modulus: "cf813f5e11501f688c1beed4f47e98914f0bb1fc105cb15170f450ca4e4c353034a36fc0ca62deb5aec262f3a2915da9\
         c8b0dbeebe99f5a0fc8fc1fbf21c2b6536d344bb8d4009dad4bcf1ffbe65a726b8351a51aabce713df5968deb407bbf8\
         b516498b8ae387dec8eab892c0d4224fbd9f5c3e8dbcada13c95ca7b8d375e7452dc63e82b893a46867ac9f46e1190fe\
         2a77990145997ee25367be38c27ec69f2601df0075f0a9130889f7790bf5d37d800c2e52b382aee1a75c735920630a9e\
         00e9585ff85d0f726da357538472ec851774ee564445494fe077e545183b51ea117ebae1d8bc170c3103cc94a669078e\
         7538a7eb3ee1005adbf333addc1eaed1",
    exponent: &[1, 0, 1],
    private: "03e42b990b0012a6b641ebd7a8821b40565824cd524d3ab209493b9e9f9b4440142ca072e018bc8e71a9898b8217f1c6\
         b651c2be166af2b543273aff0b8a45b20f36250ad35a4915067a489b80298dd9e7086fe6ea29c2b797afa88ccc997c87\
         ec756f89a36022f325976940af470b21adafa85e2ff042dd4c328eea843a6e95fd36a789554c88c2496097bf851bcfda\
         4e3db6b9fc9b5ac8bb0ff7e9b98c825d6f960bccfef97f9dbf6715b10754733c0ddcf0ecf4284eef787bad537bdcb6c8\
         5e9db78630f331549e5d2dcf7d9e49dcff2fb96953f425f58408c46818ba8afed3e04d3b38013b47584e77d476403299\
         7efabc26af95fb6f57089e2f4d051515",
};
